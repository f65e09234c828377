/* The executors: take the job, claim it, run a process, say how it ended, and obey the log meanwhile.
 *
 * A Tasks process is one `Executor._serve` after the other; several may belong to one executor (OWNER), as
 * when a job is delivered to it twice.  All memory of an executor dies with it, and so do its processes.
 * What it has written to its outbox does not.
 */

typedef Executor {
  bool alive;
  bool linked;     /* whether its connection stands, as far as it is concerned */
  bool recovering; /* cut off by NATS's own outage, and not yet heard again */
  bool blamed;     /* it died, or was cut off for reasons of its own: a verdict may be right */
  bool claiming;   /* Executor._claiming has the workflow */
  bool held;       /* Executor._tenures has it */
  bool outbox      /* Courier: the outcome lies on disk */
}

Executor ex[EXECUTORS];
byte outcome;      /* what the lease's executor has to report: the kind of event; one lease, so one */
byte processes;    /* how many were ever started for the lease */
bool runs;         /* whether one runs */

#define REACHES(x) (ex[x].alive && ex[x].linked && nats)
/* Executor._vouch: what is held, and what is being claimed. */
#define CARES(x) (ex[x].held || ex[x].claiming)
#ifdef FORGET_CLAIMING
#define VOUCHES(x) ex[x].held
#else
#define VOUCHES(x) CARES(x)
#endif

/* While one of its tasks claims the workflow, another gives the job back for a moment. */
#ifdef CLAIM_TWICE
#define MAY_CLAIM(x) true
#else
#define MAY_CLAIM(x) !CARES(x)
#endif
/* Executor._reread: after a break, and with every few beats, whatever was missed. */
#ifdef NO_REREAD
#define HEARS_THE_LOG(x) !ex[x].blamed
#else
#define HEARS_THE_LOG(x) true
#endif

#define NO_JOB 0
#define ASK 1
#define WAIT 2
#define BEGIN 3
#define RUN 4
#define REPORT 5
#define SETTLE 6

proctype Tasks(byte w) {
  byte pc;
  byte x = OWNER(w);

  do
  /* --- Executor._take_jobs, _serve: any job that is not acknowledged, as JetStream may deliver it (again). */
  :: atomic {
      pc == NO_JOB && REACHES(x) && job && MAY_CLAIM(x) -> ex[x].claiming = true; pc = ASK
    }
  :: atomic { pc == NO_JOB && REACHES(x) && job && ex[x].held -> job = false }
  /* --- Executor._claim: ask until somebody answers. */
  :: atomic {
      pc == ASK && REACHES(x) -> stop_listening(CLAIM(w)); command[CLAIM(w)] = ASKED; pc = WAIT
    }
  :: atomic { pc == WAIT && ex[x].alive && command[CLAIM(w)] == LOST -> command[CLAIM(w)] = IDLE; pc = ASK }
  :: atomic {
      pc == WAIT && ex[x].alive && command[CLAIM(w)] < ACCEPTED && MAY_FAIL ->
      FAIL; stop_listening(CLAIM(w)); pc = ASK
    }
#ifdef GIVE_UP_CLAIMING
  :: atomic { pc == ASK && ex[x].alive && !nats -> ex[x].claiming = false; pc = NO_JOB }
#endif
  :: atomic {
      pc == WAIT && REACHES(x) && command[CLAIM(w)] == REFUSED ->
      command[CLAIM(w)] = IDLE; ex[x].claiming = false; job = false; pc = NO_JOB
    }
  :: atomic {
      pc == WAIT && REACHES(x) && command[CLAIM(w)] == ACCEPTED ->
      command[CLAIM(w)] = IDLE;
      ex[x].claiming = false;
      if
      :: ex[x].held -> job = false; pc = NO_JOB  /* delivered twice, and we run it already */
      :: else -> ex[x].held = true; pc = BEGIN
      fi
    }
  /* --- Executor._begin, Tenure.run: the job is acknowledged (or that is lost), the process is started,
   *     unless the claim's answer already said that it is to end. */
  :: atomic {
      pc == BEGIN && ex[x].alive ->
      if
      :: nats && ex[x].linked -> job = false
      :: MAY_FAIL || !nats || !ex[x].linked -> skip
      fi;
      if
      :: nats && ex[x].linked && STANDS == CANCELLING -> outcome = Cancelled; pc = REPORT
      :: processes++; runs = true; MUST(8, processes == 1); pc = RUN
      fi
    }
  /* --- The process ends by itself; by the log's will; or because nobody believes its lease any more. */
#ifndef LIVENESS
  :: atomic { pc == RUN && ex[x].alive -> runs = false; outcome = Succeeded; pc = REPORT }
#endif
  :: atomic {
      pc == RUN && REACHES(x) && STANDS == CANCELLING && HEARS_THE_LOG(x) ->
      runs = false; outcome = Cancelled; pc = REPORT
    }
  :: atomic {
      pc == RUN && REACHES(x) && TERMINAL(STANDS) -> runs = false; ex[x].held = false; pc = NO_JOB
    }
  /* --- Courier.deliver: into the stream; where that fails, onto the disk, and again. */
  :: atomic {
      pc == REPORT && REACHES(x) ->
      store(outcome, lease, BY_OUTCOME); ex[x].outbox = false; pc = SETTLE
    }
  :: atomic { pc == REPORT && ex[x].alive && !REACHES(x) && !ex[x].outbox -> ex[x].outbox = true }
#ifdef DROP_WHEN_CUT
  :: atomic { pc == REPORT && ex[x].alive && !REACHES(x) -> ex[x].outbox = false; pc = SETTLE }
#endif
  /* --- Tenure.run: stay until the log says that it has ended. */
  :: atomic {
      pc == SETTLE && REACHES(x) && TERMINAL(STANDS) -> ex[x].held = false; pc = NO_JOB
    }
  :: !ex[x].alive -> break
  od;
  /* --- Courier.deliver_leftovers: an outbox that a dead executor left, by the next one of its host. */
  ex[x].outbox && nats;
  atomic { store(outcome, lease, BY_OUTCOME); ex[x].outbox = false }
}
