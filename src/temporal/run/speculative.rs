//! A speculative workflow task is in nobody's history until its worker answers. Whatever else is written meanwhile takes it
//! along: from then on it is a normal one (Temporal: `convertSpeculativeWorkflowTaskToNormal`).

use super::{Context, Run};
use crate::temporal::matching::Task;
use crate::temporal::timer::Timer;

/// A speculative task that was there before a step, and how long the history was.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Speculated {
    scheduled_event_id: i64,
    counts: (usize, usize),
}

impl Run {
    /// The speculative task that a step finds.
    pub(crate) fn speculated(&self) -> Option<Speculated> {
        let task = &self.machines.workflow_task;
        (task.is_pending() && task.is_speculative()).then(|| Speculated {
            scheduled_event_id: task.scheduled_event_id(),
            counts: self.log.counts(),
        })
    }

    /// A step is over that found this task: if it has changed anything that is kept, the task is kept too.
    pub(crate) fn keep_speculated(&mut self, context: &mut Context<'_>, before: Option<Speculated>) {
        let (Some(before), Some(now)) = (before, self.speculated()) else {
            return;
        };
        let is_same = before.scheduled_event_id == now.scheduled_event_id;
        let effects = &context.effects;
        let is_written = before.counts != now.counts
            || effects.visible
            || !effects.mail.is_empty()
            || effects.timers.iter().any(|(timer, _)| !is_of_workflow_task(timer))
            || effects.tasks.iter().any(|task| matches!(task, Task::Activity { .. }));
        if is_same && is_written && self.is_running() {
            self.write_speculative_task(context);
        }
    }

    /// The events of a speculative task, before those of the step that takes it along.
    pub(super) fn write_speculative_task(&mut self, context: &mut Context<'_>) {
        if !self.machines.workflow_task.is_speculative() {
            return;
        }
        let queue = self.start.task_queue.clone();
        let (machines, mut txn) = self.open(context);
        machines.workflow_task.become_normal(&mut txn, &queue);
    }
}

/// A speculative task has its clocks in memory.
fn is_of_workflow_task(timer: &Timer) -> bool {
    matches!(
        timer,
        Timer::WorkflowTaskStartToClose(_) | Timer::WorkflowTaskScheduleToStart(_) | Timer::QueryScheduleToStart(_)
    )
}
