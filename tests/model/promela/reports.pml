/* A workflow that runs, two supervisors, and everyone who can say something of it: its executor says how it
 * ended (and says it again), somebody wants it cancelled, a verdict comes without any reason, and a stranger
 * reports under a lease that does not stand.  In every order, any number of times, with every step lost.
 */

#include "moves.pml"
#define OWNER(c) 0
#include "streams.pml"
#include "log.pml"
#include "supervisor.pml"

/* An executor with the lease: it says how the process ended. */
proctype Holder() {
  atomic {
    if
    :: store(Succeeded, lease, BY_OUTCOME)
    :: STANDS == CANCELLING -> store(Cancelled, lease, BY_OUTCOME)
    fi
  };
}

/* Somebody asks for the end, and asks again when nobody answers. */
proctype Canceller() {
  do
  :: atomic { command[CANCEL] == IDLE || command[CANCEL] == LOST -> command[CANCEL] = ASKED }
  :: atomic { MAY_FAIL && command[CANCEL] == TAKEN -> FAIL; stop_listening(CANCEL) }
  :: command[CANCEL] == ACCEPTED || command[CANCEL] == REFUSED -> break
  od
}

/* A verdict without reason, or a report under a lease that does not stand. */
proctype Judge() {
  if
  :: atomic { store(Lost, lease, BY_VERDICT) }
  :: atomic { store(Succeeded, lease + 1, BY_STRANGER) }
  fi
}

init {
  atomic {
    rec[1].status = PENDING;
    rec[2].status = RUNNING;
    rec[2].event = BY_CLAIM(0);
    last = 2;
    lease = 2;
    run Supervisor(0);
    run Supervisor(1);
    run Holder();
    run Canceller();
    run Judge()
  }
}
