/* The whole: a supervisor, one executor or two, an auditor, somebody who cancels, and a world that hurts them.
 */

#include "moves.pml"
#ifndef EXECUTORS
#define EXECUTORS 1
#endif
#if EXECUTORS == 2
#define OWNER(c) (c)
#else
#define OWNER(c) 0
#endif
#include "streams.pml"
#include "log.pml"
#include "clerk.pml"
#include "executor.pml"
#include "auditor.pml"
#include "world.pml"

/* Dispatcher: makes a job of the pending record, then acknowledges it; it may die in between. */
proctype Dispatcher() {
  bool done;
  do
#ifdef ACK_BEFORE_DISPATCH
  :: atomic { !done && nats -> done = true; if :: job = true :: MAY_FAIL -> FAIL fi }
#else
  :: atomic { !done && nats -> job = true; if :: done = true :: MAY_FAIL -> FAIL fi }
#endif
  :: done -> break
  od
}

#ifdef LIVENESS
/* With processes that never end by themselves, and faults that do: no workflow hangs, no zombie runs on. */
#define HANGS ( \
  (STANDS == PENDING && REACHES(0)) || STANDS == CANCELLING || \
  (LIVE(STANDS) && !(ex[holder].alive && CARES(holder))) || \
  (TERMINAL(STANDS) && runs && REACHES(holder)))
ltl told { [] <> !HANGS }
#endif

init {
  atomic {
    rec[1].status = PENDING;
    last = 1;
    ex[0].alive = true; ex[0].linked = true;
    blind = true;
    run Clerk();
    run Dispatcher();
    run Tasks(0);
    run Heart(0);
#if EXECUTORS == 2
    ex[1].alive = true; ex[1].linked = true;
    run Tasks(1);
    run Heart(1);
#endif
    run Auditor();
    run Clock();
    run Faults();
    run Canceller()
  }
}
