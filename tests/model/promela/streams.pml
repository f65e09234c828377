/* What lies between the actors: the report stream, the job, the commands under way, and NATS itself.
 *
 * A report that was stored stays until it is acknowledged, and until then any supervisor may be given it, at
 * any time and in any order: at least once, with nothing of the stream's usual order taken for granted.
 */

#define REPORTS 2

typedef Report {
  byte kind;   /* 0: this place is free */
  byte under;  /* the lease that it speaks of */
  byte id;
  bool open    /* stored and not yet acknowledged */
}

Report report[REPORTS]; /* lastword.report.<id>, oldest first */
byte reports;           /* how many were ever stored */
bool nats = true;       /* whether the server can be reached by anyone */
bool job;               /* lastword.job.<definition>: stored and not acknowledged */
byte faults;            /* crashes of supervisors, lost acknowledgements, late answers so far */

/* Liveness is only promised when faults end; safety is checked without a limit, which costs no states. */
#ifdef LIMIT
#define MAY_FAIL (faults < LIMIT)
#define FAIL faults++
#else
#define MAY_FAIL true
#define FAIL skip
#endif

/* Post.store: stored, or known by its message id. The stream forgets ids after two minutes, so the same
 * report may come to lie there twice. */
inline store(what, lse, mid) {
  at = 0;
  do
  :: at < reports && report[at].id != mid -> at++
  :: else -> break
  od;
  if
  :: at == reports && reports < REPORTS ->
      report[reports].kind = what;
      report[reports].under = lse;
      report[reports].id = mid;
      report[reports].open = true;
      reports++
  :: else
  fi;
  at = 0
}

#define WAITS_BEFORE(r) ((r) > 0 && report[0].open)

/* An outcome was stored before the verdict, and has not been handled. */
#define AN_OUTCOME_WAITS ( \
  reports == 2 && IS_VERDICT(report[1].kind) && \
  report[0].open && report[0].id == BY_OUTCOME && report[0].under == lease)

/* Commands: request and reply, so at most once delivered and answered. One place per asker. */
#define CLAIM(w) (w)  /* by the executor's task w */
#define CANCEL 2
#define START 3
#define COMMANDS 4

#define IDLE 0
#define ASKED 1   /* under way to a supervisor */
#define TAKEN 2   /* a supervisor has it */
#define ACCEPTED 3
#define REFUSED 4
#define LOST 5    /* nobody will answer */

byte command[COMMANDS];
byte hand[2] = 255;  /* which command's asker each supervisor would answer; 255: nobody listens */

/* The asker gives up waiting: whoever has the command answers to nobody (the inbox is gone). */
inline stop_listening(c) {
  if
  :: hand[0] == c -> hand[0] = 255
  :: else
  fi;
  if
  :: hand[1] == c -> hand[1] = 255
  :: else
  fi;
  command[c] = IDLE
}
