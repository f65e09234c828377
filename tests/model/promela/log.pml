/* The log: one workflow's subject of LASTWORD_LOG, and what must hold whenever a record is added to it.
 *
 * Stands for the server's side of lastword.bus.log.StatusLog.append.  Other workflows only take positions,
 * so a record's position is its index here.  What a broken supervisor would add beyond four records is cut.
 */

#define ROOM 5

typedef Record {
  byte status; /* of the record: Record.status */
  byte event   /* which message said so: Record.event */
}

Record rec[ROOM + 1]; /* rec[0] stands for "no record yet" */
byte last;             /* the last position */
byte lease;           /* the position of the running record; 0: none */
byte holder;          /* the executor that it names */

#define STANDS rec[last].status

/* The ids of messages (`event_id`): the same for each try of the same thing. */
#define BY_START(s) (1 + (s))   /* made by the supervisor that takes the command: Receptionist.start */
#define BY_CANCEL(s) (3 + (s))  /* the same: Receptionist.cancel */
#define BY_CLAIM(x) (5 + (x))   /* made by the executor: Executor._claim */
#define BY_OUTCOME 7            /* Tenure._outcome_id */
#define BY_VERDICT 8            /* Examiner._report_lost */
#define BY_STRANGER 9           /* a report under a lease that does not stand */
#define BY_QUEUE 10             /* Examiner._report_queue_timeout */

/* A failed assertion shows the number, which tests/model/spin.py knows the name of. */
#define MUST(number, what) assert((what) || (number) == 0)

byte at; /* for loops inside atomic steps; always 0 outside of them */

/* Add a record after position `after`. All but `to` and `mid` are there only to be checked. */
inline append(to, what, lse, mid, by) {
  MUST(1, !TERMINAL(STANDS));
  MUST(2, RANK(to) > RANK(STANDS));
  MUST(3, !SPEAKS_OF_LEASE(what) || lse == lease);
  at = 1;
  do
  :: at <= last -> MUST(4, rec[at].event != mid); at++
  :: else -> break
  od;
  at = 0;
  MUST(5, !IS_VERDICT(what) || !AN_OUTCOME_WAITS);
  last++;
  rec[last].status = to;
  rec[last].event = mid;
  if
  :: what == Claimed -> lease = last; holder = by
  :: else
  fi
}
