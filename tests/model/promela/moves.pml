/* Printed from lastword.contracts.moves by `make generate`; to change it, change the table there.
 *
 * Statuses and kinds of events are numbers from 1; 0 is no record yet, and no move.
 */

#define PENDING 1
#define RUNNING 2
#define CANCELLING 3
#define SUCCESS 4
#define FAILED 5
#define CANCELLED 6

#define Submitted 1
#define Claimed 2
#define CancelRequested 3
#define Succeeded 4
#define Failed 5
#define Cancelled 6
#define Lost 7
#define QueueTimedOut 8

#define NEXT(s, e) (((s) == 0 && (e) == Submitted) -> PENDING : \
  (((s) == PENDING && (e) == Claimed) -> RUNNING : \
  (((s) == PENDING && (e) == CancelRequested) -> CANCELLED : \
  (((s) == PENDING && (e) == QueueTimedOut) -> FAILED : \
  (((s) == RUNNING && (e) == CancelRequested) -> CANCELLING : \
  (((s) == RUNNING && (e) == Succeeded) -> SUCCESS : \
  (((s) == RUNNING && (e) == Failed) -> FAILED : \
  (((s) == RUNNING && (e) == Lost) -> FAILED : \
  (((s) == CANCELLING && (e) == Succeeded) -> SUCCESS : \
  (((s) == CANCELLING && (e) == Failed) -> FAILED : \
  (((s) == CANCELLING && (e) == Cancelled) -> CANCELLED : \
  (((s) == CANCELLING && (e) == Lost) -> FAILED : \
  0))))))))))))
#define RANK(s) (((s) == PENDING) -> 1 : \
  (((s) == RUNNING) -> 2 : \
  (((s) == CANCELLING) -> 3 : \
  (((s) == SUCCESS) -> 4 : \
  (((s) == FAILED) -> 4 : \
  (((s) == CANCELLED) -> 4 : \
  0))))))
#define LIVE(s) ((s) == RUNNING || (s) == CANCELLING)
#define TERMINAL(s) ((s) == SUCCESS || (s) == FAILED || (s) == CANCELLED)
#define SPEAKS_OF_LEASE(e) ((e) == Succeeded || (e) == Failed || (e) == Cancelled || (e) == Lost)
#define IS_VERDICT(e) ((e) == Lost || (e) == QueueTimedOut)
