/* One executor to which the same job is delivered more than once, and a supervisor with all its steps.
 *
 * Here nobody judges and nothing is cut; what is looked at is that one lease has one process.
 */

#include "moves.pml"
#define EXECUTORS 1
#define OWNER(c) 0
#include "streams.pml"
#include "log.pml"
#include "supervisor.pml"
#include "executor.pml"

init {
  atomic {
    rec[1].status = PENDING;
    last = 1;
    job = true;
    ex[0].alive = true;
    ex[0].linked = true;
    run Supervisor(0);
    run Supervisor(1);
    run Tasks(0);
    run Tasks(1)
  }
}
