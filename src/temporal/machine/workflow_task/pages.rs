//! An answer to a workflow task that comes in pages, since one message can't hold it
//! (`workflow/context.go`: `AppendTaskCompletionPage`, `GetMergedTaskCompletionPages`).

use std::collections::BTreeMap;

use prost::Message as _;
use temporalio_protos::temporal::api::command::v1::Command;
use temporalio_protos::temporal::api::workflowservice::v1::RespondWorkflowTaskCompletedRequest;

use crate::temporal::reject::Reject;

/// Page numbers are below this (`workflow/context.go`: `maxWorkflowTaskCompletionPages`).
const MAX_PAGES: i32 = 1_024;

/// The most that the pages of one answer may hold, in bytes of their commands (dynamic config
/// `history.workflowTaskCompletionBufferSizeLimit`).
pub(crate) const MAX_PAGES_BYTES: usize = 40 * 1024 * 1024;

/// The pages of an answer that isn't complete yet.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pages {
    /// By page number.
    commands: BTreeMap<i32, Vec<Command>>,
    size_bytes: usize,
}

/// Why a page isn't taken.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum BadPage {
    /// The worker may send it again, or all of them.
    Refused(Reject),
    /// Together the pages are too large: the workflow can't go on.
    TooLarge,
}

impl Pages {
    /// Keeps a page that others follow. The same page sent again changes nothing; after a bad page none is left.
    pub(crate) fn add(&mut self, request: RespondWorkflowTaskCompletedRequest) -> Result<(), BadPage> {
        let added = self.try_add(request);
        if added.is_err() {
            *self = Self::default();
        }
        added
    }

    fn try_add(&mut self, request: RespondWorkflowTaskCompletedRequest) -> Result<(), BadPage> {
        check(&request).map_err(BadPage::Refused)?;
        if self.commands.contains_key(&request.page_number) {
            return Ok(());
        }
        let size_bytes: usize = request.commands.iter().map(|command| command.encoded_len()).sum();
        if self.size_bytes + size_bytes > MAX_PAGES_BYTES {
            return Err(BadPage::TooLarge);
        }
        self.size_bytes += size_bytes;
        self.commands.insert(request.page_number, request.commands);
        Ok(())
    }

    /// The last page is there: the commands of those before it, in order. No page is left.
    pub(crate) fn take(
        &mut self,
        last: &RespondWorkflowTaskCompletedRequest,
        scheduled_event_id: i64,
        attempt: i32,
    ) -> Result<Vec<Command>, Reject> {
        check(last)?;
        let mut pages = std::mem::take(self).commands;
        if pages.is_empty() {
            return Err(Reject::WorkflowTaskCompletionBufferLost(format!(
                "workflow task completion buffer lost for scheduled event {scheduled_event_id} attempt {attempt}"
            )));
        }
        let mut merged = Vec::new();
        for page in 0..last.page_number {
            merged.append(&mut pages.remove(&page).ok_or_else(|| {
                Reject::WorkflowTaskCompletionBufferLost(format!(
                    "workflow task completion buffer missing page {page} of {}",
                    last.page_number
                ))
            })?);
        }
        Ok(merged)
    }
}

fn check(request: &RespondWorkflowTaskCompletedRequest) -> Result<(), Reject> {
    let refuse = |why: String| Err(Reject::InvalidArgument(why));
    if request.page_number < 0 {
        return refuse("workflow task completion pagination page number must be non-negative".to_owned());
    }
    if request.page_number >= MAX_PAGES {
        return refuse(format!(
            "workflow task completion pagination supports at most {MAX_PAGES} pages"
        ));
    }
    if request.intermediate_page && request.commands.is_empty() {
        return refuse("intermediate workflow task page must carry at least one command".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(page_number: i32, commands: &[i32]) -> RespondWorkflowTaskCompletedRequest {
        RespondWorkflowTaskCompletedRequest {
            page_number,
            intermediate_page: true,
            commands: commands.iter().copied().map(command).collect(),
            ..Default::default()
        }
    }

    fn last(page_number: i32) -> RespondWorkflowTaskCompletedRequest {
        RespondWorkflowTaskCompletedRequest {
            page_number,
            ..Default::default()
        }
    }

    fn command(command_type: i32) -> Command {
        Command {
            command_type,
            ..Default::default()
        }
    }

    #[test]
    fn pages_come_together_in_order_whenever_they_came_and_whatever_came_twice() {
        let mut pages = Pages::default();
        pages.add(page(1, &[3])).unwrap();
        pages.add(page(0, &[1, 2])).unwrap();
        pages.add(page(1, &[4])).unwrap();
        let merged = pages.take(&last(2), 2, 1).unwrap();
        assert_eq!(merged, [1, 2, 3].map(command));
        let again = pages.take(&last(2), 2, 1).unwrap_err();
        assert_eq!(
            again.message(),
            "workflow task completion buffer lost for scheduled event 2 attempt 1"
        );
    }

    #[test]
    fn a_page_that_is_missing_makes_the_worker_send_all_of_them_again() {
        let mut pages = Pages::default();
        pages.add(page(1, &[3])).unwrap();
        let lost = pages.take(&last(2), 2, 1).unwrap_err();
        assert_eq!(lost.message(), "workflow task completion buffer missing page 0 of 2");
        assert_eq!(lost.code(), tonic::Code::Aborted);
        assert!(pages.commands.is_empty());
    }

    #[test]
    fn a_bad_page_is_refused_and_drops_those_before_it() {
        for bad in [page(-1, &[1]), page(MAX_PAGES, &[1]), page(1, &[])] {
            let mut pages = Pages::default();
            pages.add(page(0, &[1])).unwrap();
            assert!(matches!(
                pages.add(bad),
                Err(BadPage::Refused(Reject::InvalidArgument(_)))
            ));
            assert!(pages.commands.is_empty() && pages.size_bytes == 0);
        }
    }

    #[test]
    fn pages_have_a_limit_together() {
        let full = Pages {
            commands: [(0, vec![command(1)])].into(),
            size_bytes: MAX_PAGES_BYTES - 1,
        };
        let mut pages = full;
        assert_eq!(pages.add(page(1, &[1])), Err(BadPage::TooLarge));
        assert_eq!(pages.size_bytes, 0);
    }
}
