//! Temporal's test service: time that a client moves, and locks on it.

use std::time::Duration;

use awaithumans_testkit::human::Config;
use awaithumans_testkit::{HandOut, Input, Output, Testkit, Timestamp, World};
use prost::Message;
use temporalio_client::grpc::TestService;
use temporalio_common::protos::temporal::api::testservice::v1 as wire;
use tonic::{Code, IntoRequest, Status};

use super::script::Step;
use super::{kit, start, types};

const SERVICE: &str = "temporal.api.testservice.v1.TestService";
const TWO_DAYS: Duration = Duration::from_hours(48);

fn service(kit: &Testkit) -> Box<dyn TestService> {
    kit.client().connection().test_service()
}

fn for_(duration: Duration) -> wire::SleepRequest {
    wire::SleepRequest {
        duration: Some(duration.try_into().unwrap()),
    }
}

async fn now(kit: &Testkit) -> Timestamp {
    let answer = service(kit).get_current_time(().into_request()).await.unwrap();
    let time = answer.into_inner().time.unwrap();
    Timestamp::from_seconds(time.seconds.unsigned_abs()) + Duration::from_nanos(u64::from(time.nanos.unsigned_abs()))
}

async fn unlock(kit: &Testkit) -> Result<(), Status> {
    let request = wire::UnlockTimeSkippingRequest {}.into_request();
    service(kit).unlock_time_skipping(request).await.map(|_| ())
}

#[tokio::test]
async fn a_client_that_sleeps_moves_time_by_as_much() {
    let kit = Testkit::start().await;
    assert_eq!(now(&kit).await, Timestamp::EPOCH_OF_TESTS);
    service(&kit).sleep(for_(TWO_DAYS).into_request()).await.unwrap();
    assert_eq!(now(&kit).await, Timestamp::EPOCH_OF_TESTS + TWO_DAYS);
    let until = |moment: Timestamp| wire::SleepUntilRequest {
        timestamp: Some(wire_time(moment)),
    };
    let later = Timestamp::EPOCH_OF_TESTS + 2 * TWO_DAYS;
    service(&kit).sleep_until(until(later).into_request()).await.unwrap();
    assert_eq!(now(&kit).await, later);
    // What is over is over.
    let over = until(Timestamp::EPOCH_OF_TESTS).into_request();
    service(&kit).sleep_until(over).await.unwrap();
    assert_eq!(now(&kit).await, later);
}

#[tokio::test]
async fn workflows_go_on_while_a_client_sleeps_and_stop_where_it_wakes() {
    let (kit, _worker) = kit().await;
    let hour = 3_600;
    start(&kit, "w", vec![Step::Sleep(hour), Step::Sleep(hour), Step::Sleep(hour)]).await;
    let sleep = for_(Duration::from_secs(2 * hour + 1));
    service(&kit)
        .unlock_time_skipping_with_sleep(sleep.into_request())
        .await
        .unwrap();
    kit.settle().await;
    let timers = [
        "TIMER_STARTED",
        "TIMER_FIRED",
        "TIMER_STARTED",
        "TIMER_FIRED",
        "TIMER_STARTED",
    ];
    assert_eq!(types(&kit, "w")[1..], timers);
}

#[tokio::test]
async fn a_locked_clock_stands_still_and_says_why() {
    let kit = Testkit::start().await;
    let lock = wire::LockTimeSkippingRequest {}.into_request();
    service(&kit).lock_time_skipping(lock).await.unwrap();
    let error = kit.advance(TWO_DAYS).await.unwrap_err();
    assert!(error.is_stalled());
    assert!(error.to_string().contains("LockTimeSkipping"), "{error}");
    unlock(&kit).await.unwrap();
    kit.advance(TWO_DAYS).await.unwrap();
    // Test servers start with one lock, so that clients may begin with this.
    unlock(&kit).await.unwrap();
    let error = unlock(&kit).await.unwrap_err();
    assert_eq!(error.code(), Code::FailedPrecondition);
    let error = service(&kit)
        .unlock_time_skipping_with_sleep(for_(TWO_DAYS).into_request())
        .await
        .unwrap_err();
    assert_eq!(error.code(), Code::FailedPrecondition);
}

fn wire_time(moment: Timestamp) -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: moment.as_seconds().cast_signed(),
        nanos: 0,
    }
}

fn call(world: &mut World, ticket: u64, connection: u64, method: &str, request: &[u8]) -> Option<bool> {
    world.handle(Input::Rpc {
        ticket,
        connection,
        service: SERVICE,
        method,
        request,
    });
    answer(world, ticket)
}

/// Whether the call was granted; `None` if it waits.
fn answer(world: &mut World, ticket: u64) -> Option<bool> {
    while let Some(output) = world.poll_output() {
        match output {
            Output::Rpc((of, answer)) if of == ticket => return Some(answer.is_ok()),
            _ => {}
        }
    }
    None
}

#[test]
fn a_lock_ends_with_its_connection_and_an_unlocking_sleep_with_its_call() {
    let mut world = World::new(0, HandOut::Parallel, Config::new(Box::new(|_| String::new())));
    let sleep = for_(TWO_DAYS).encode_to_vec();
    assert_eq!(call(&mut world, 1, 1, "LockTimeSkipping", &[]), Some(true));
    assert_eq!(call(&mut world, 2, 2, "UnlockTimeSkippingWithSleep", &sleep), None);
    assert_eq!(call(&mut world, 3, 2, "UnlockTimeSkippingWithSleep", &sleep), None);
    // One lock of the start, one of the first connection, and two that are undone.
    assert_eq!(call(&mut world, 4, 3, "UnlockTimeSkipping", &[]), Some(false));
    world.handle(Input::RpcAbandoned { ticket: 3 });
    world.handle(Input::RpcAbandoned { ticket: 2 });
    assert!(!world.is_quiet());
    assert!(world.temporal().poll_timeout().is_none());

    world.handle(Input::Disconnected { connection: 1 });
    assert!(world.is_quiet());
    assert_eq!(call(&mut world, 5, 2, "UnlockTimeSkippingWithSleep", &sleep), None);
    let end = world.now() + TWO_DAYS;
    while world.handle_timeout(end) {}
    assert_eq!(answer(&mut world, 5), Some(true));
    assert_eq!(world.now(), end);
}

#[test]
fn hostile_durations_are_no_time_at_all() {
    let mut world = World::new(0, HandOut::Parallel, Config::new(Box::new(|_| String::new())));
    let hostile = |seconds, nanos| {
        wire::SleepRequest {
            duration: Some(prost_types::Duration { seconds, nanos }),
        }
        .encode_to_vec()
    };
    for (ticket, request) in [hostile(-1, 0), hostile(0, i32::MIN), Vec::new()].iter().enumerate() {
        let ticket = ticket as u64;
        assert_eq!(call(&mut world, ticket, 1, "Sleep", request), None);
        let now = world.now();
        assert!(world.handle_timeout(now));
        assert_eq!(answer(&mut world, ticket), Some(true));
    }
    assert_eq!(call(&mut world, 9, 1, "Sleep", &hostile(i64::MAX, i32::MAX)), None);
    // The end of time never comes.
    assert_eq!(world.temporal().poll_timeout(), None);
}
