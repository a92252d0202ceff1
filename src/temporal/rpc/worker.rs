//! Workers: shutting down.

use temporalio_protos::temporal::api::workflowservice::v1 as wire;

use super::{Answer, worker_registry};
use crate::temporal::engine::{Call, Engine};
use crate::temporal::matching::{Kind, QueueKey};
use crate::temporal::reject::Reject;

/// The worker won't poll any more; its sticky queue is of no use from now on.
pub(super) fn shutdown(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::ShutdownWorkerRequest,
) -> Result<Answer<wire::ShutdownWorkerResponse>, Reject> {
    let last_heartbeat = request.worker_heartbeat.into_iter().collect();
    worker_registry::record(engine, call.now, &request.namespace, last_heartbeat)?;
    let sticky = QueueKey {
        namespace: request.namespace.into(),
        kind: Kind::Workflow,
        name: engine.stable_id(request.sticky_task_queue).into(),
    };
    engine.matching.retire(call.connection, Some(&sticky));
    engine.matching.abandon(&sticky);
    if engine.completes_polls_at_shutdown() && !request.task_queue.is_empty() {
        engine.complete_polls(call.now, &request.worker_instance_key);
    }
    for kind in [Kind::Workflow, Kind::Activity, Kind::Nexus] {
        let key = QueueKey {
            kind,
            name: request.task_queue.as_str().into(),
            ..sticky.clone()
        };
        engine.matching.forget_worker(&key, &request.identity);
    }
    Ok(Answer::Now(wire::ShutdownWorkerResponse {}))
}
