"""One workflow's process, as an executor sees it.

The executor never imports what it runs, nor CrewAI::

    from lastword.child.errors import SpawnFailed
    from lastword.child.pool import ChildPool
    from lastword.child.process import Child
    from lastword.child.protocol import Lines, Progressed, Returned, Started, Target, Waiting, Work

    pool = ChildPool()
    await pool.warm(targets)                    # optional: starts the fork servers that these need
    description = await pool.describe(target, fallback_environment=..., fallback_unless=...)
                                                # a broken target is an answer too: kind == "broken"

    child = await pool.spawn(work)              # raises SpawnFailed; `.error` is the Error to report
    async for message in child.messages():      # Started | Progressed | Waiting | Lines, until it has ended
        ...                                     # a slow reader gets fewer, never a growing memory
    ended = await child.ended()                 # Ended; `ended.error` is None exactly for a result
    if isinstance(ended.final, Returned):
        text = bytes(ended.final.result)        # JSON

    ended = await child.cancel(grace_s=1.0)     # polite request, SIGTERM, SIGKILL, a grace between each
    child.kill()                                # SIGKILL to the whole group, now; then `await child.ended()`
    child.alive                                 # False from the instant the kernel said so
    await pool.close()                          # kills what is left

`ChildPool(environ)` takes the environment of the processes (by default this process's own); a workflow's
own variables come in its `Work`.  `child.pid`, `child.workflow_id` and the latest `child.progress`,
`child.usage` and `child.waiting_for` are plain attributes.  `messages()` may be called once; `ended()` any
number of times by any number of tasks, and cancelling a task that awaits it does nothing to the process.

This module imports nothing, and `lastword.child.inside` only the standard library: that part runs inside
the process, perhaps under another interpreter, which has neither lastword nor msgspec.
"""
