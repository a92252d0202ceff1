//! The test service: virtual time, and who may skip it.

use std::time::Duration;

use temporalio_protos::temporal::api::testservice::v1 as wire;

use super::Answer;
use crate::clock::Timestamp;
use crate::temporal::engine::{Call, Engine};
use crate::temporal::proto::{duration, timestamp};
use crate::temporal::reject::Reject;
use crate::temporal::time_locks::Sleeper;

pub(super) fn lock(
    engine: &mut Engine,
    call: &Call<'_>,
    _: wire::LockTimeSkippingRequest,
) -> Result<Answer<wire::LockTimeSkippingResponse>, Reject> {
    engine.time_locks.lock(call.connection);
    Ok(Answer::Now(wire::LockTimeSkippingResponse {}))
}

pub(super) fn unlock(
    engine: &mut Engine,
    call: &Call<'_>,
    _: wire::UnlockTimeSkippingRequest,
) -> Result<Answer<wire::UnlockTimeSkippingResponse>, Reject> {
    engine.unlock_time(call.connection)?;
    Ok(Answer::Now(wire::UnlockTimeSkippingResponse {}))
}

pub(super) fn sleep(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::SleepRequest,
) -> Result<Answer<wire::SleepResponse>, Reject> {
    engine.sleep(call, end_of(call, &request), Sleeper::Plain)?;
    Ok(Answer::Later)
}

pub(super) fn sleep_until(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::SleepUntilRequest,
) -> Result<Answer<wire::SleepResponse>, Reject> {
    let until = request.timestamp.as_ref().map(moment).unwrap_or_default();
    if until <= call.now {
        return Ok(Answer::Now(wire::SleepResponse {}));
    }
    engine.sleep(call, until, Sleeper::Plain)?;
    Ok(Answer::Later)
}

pub(super) fn unlock_with_sleep(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::SleepRequest,
) -> Result<Answer<wire::SleepResponse>, Reject> {
    engine.sleep(call, end_of(call, &request), Sleeper::Unlocking)?;
    Ok(Answer::Later)
}

pub(super) fn current_time(
    _: &mut Engine,
    call: &Call<'_>,
    (): (),
) -> Result<Answer<wire::GetCurrentTimeResponse>, Reject> {
    Ok(Answer::Now(wire::GetCurrentTimeResponse {
        time: Some(timestamp(call.now)),
    }))
}

/// No duration, and a negative one, is no time at all.
fn end_of(call: &Call<'_>, request: &wire::SleepRequest) -> Timestamp {
    call.now + duration(request.duration.as_ref()).unwrap_or_default()
}

/// What is before 1970 is long over.
fn moment(wire: &prost_types::Timestamp) -> Timestamp {
    let nanoseconds = u64::try_from(wire.nanos).unwrap_or_default();
    let seconds = u64::try_from(wire.seconds).unwrap_or_default();
    Timestamp::from_seconds(seconds) + Duration::from_nanos(nanoseconds)
}
