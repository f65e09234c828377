/* From nothing to a lease: one client starts a workflow and an executor claims it, while a rival claims it too,
 * somebody cancels it, or an auditor says that it waited too long.  Answers are lost, and whoever hears nothing
 * asks again.
 */

#include "moves.pml"
#define OWNER(c) (c)
#include "streams.pml"
#include "log.pml"
#include "supervisor.pml"

/* A client that starts a workflow without an idempotency key, and so asks once. */
proctype Starter() {
  command[START] = ASKED;
  command[START] == ACCEPTED || command[START] == REFUSED || command[START] == LOST
}

/* An executor, which asks until it is answered. */
proctype Claimant() {
  last > 0;
  do
  :: atomic { command[CLAIM(0)] == IDLE || command[CLAIM(0)] == LOST -> command[CLAIM(0)] = ASKED }
  :: atomic { MAY_FAIL && command[CLAIM(0)] == TAKEN -> FAIL; stop_listening(CLAIM(0)) }
  :: command[CLAIM(0)] == REFUSED -> break
  :: command[CLAIM(0)] == ACCEPTED -> MUST(6, lease > 0 && rec[lease].event == BY_CLAIM(0)); break
  od
}

/* Another executor claims it, or somebody cancels it, or it has waited too long. */
proctype Rival() {
  last > 0;
  if
  :: command[CLAIM(1)] = ASKED
  :: command[CANCEL] = ASKED
  :: atomic { store(QueueTimedOut, 0, BY_QUEUE) }
  fi
}

init {
  atomic {
    run Supervisor(0);
    run Supervisor(1);
    run Starter();
    run Claimant();
    run Rival()
  }
}
