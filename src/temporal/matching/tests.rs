use super::*;

fn key(name: &str) -> QueueKey {
    QueueKey {
        namespace: "default".into(),
        kind: Kind::Workflow,
        name: name.into(),
    }
}

fn task(queue: &str, event: i64) -> Task {
    Task::Workflow {
        run: RunRef(1),
        queue: queue.into(),
        normal_queue: "q".into(),
        scheduled_event_id: event,
    }
}

fn poller(ticket: Ticket) -> Box<Poller> {
    Box::new(Poller {
        ticket,
        connection: 1,
        identity: "w".to_owned(),
        last_access: Timestamp::EPOCH_OF_TESTS,
        worker_version: None,
        version: None,
        build_id: None,
        group: WorkerGroup::Unversioned,
        is_sticky: false,
        worker_instance_key: String::new(),
        options: None,
        capabilities: None,
        max_tasks_per_second: None,
    })
}

#[test]
fn a_sticky_queue_that_nobody_serves_gives_its_tasks_to_the_normal_one() {
    let now = Timestamp::EPOCH_OF_TESTS;
    let mut matching = Matching::default();
    matching.park(key("sticky"), poller(1));
    matching.unpark(now, 1);

    matching.add(
        now + Duration::from_secs(5),
        "default",
        task("sticky", 2),
        Dispatch::default(),
    );
    matching.add(
        now + Duration::from_secs(60),
        "default",
        task("sticky", 3),
        Dispatch::default(),
    );

    let queues: Vec<_> = matching.backlog().map(|(key, _, _)| key.name.clone()).collect();
    assert_eq!(queues, ["q", "sticky"]);
}

#[test]
fn tasks_and_pollers_meet_first_in_first_out() {
    let now = Timestamp::EPOCH_OF_TESTS;
    let mut entropy = Entropy::new(0);
    let mut matching = Matching::default();
    matching.add(now, "default", task("q", 2), Dispatch::default());
    matching.add(now, "default", task("q", 9), Dispatch::default());
    assert!(!matching.has_match());
    matching.park(key("q"), poller(5));
    matching.park(key("q"), poller(6));
    let first = matching.take_match(now, &mut entropy, |_| false).unwrap();
    assert_eq!((first.task, first.poller.ticket), (task("q", 2), 5));
    assert!(!first.sticky);
    assert!(!matching.unpark(now, 5));
}

#[test]
fn urgent_tasks_go_first() {
    let now = Timestamp::EPOCH_OF_TESTS;
    let mut matching = Matching::default();
    for (event, priority) in [(2, 3), (3, 5), (4, 1), (5, 3)] {
        let dispatch = Dispatch {
            priority,
            ..Default::default()
        };
        matching.add(now, "default", task("q", event), dispatch);
    }
    let order: Vec<Task> = (1..=4)
        .map(|ticket| {
            matching.park(key("q"), poller(ticket));
            matching.take_match(now, &mut Entropy::new(0), |_| false).unwrap().task
        })
        .collect();
    assert_eq!(order, [task("q", 4), task("q", 2), task("q", 5), task("q", 3)]);
}

#[test]
fn a_task_that_waits_goes_to_the_version_that_becomes_current() {
    let now = Timestamp::EPOCH_OF_TESTS;
    let version = Version::new("app", "1");
    let mut matching = Matching::default();
    matching.add(now, "default", task("q", 2), Dispatch::default());
    matching.update_routing(&key("q"), &version, &Routing::default());
    let versioned = Poller {
        group: WorkerGroup::Version(version.clone()),
        version: Some(version.clone()),
        ..*poller(7)
    };
    matching.park(key("q"), Box::new(versioned));
    assert!(!matching.has_match(), "no version is current");

    let routing = Routing {
        current: Some(version.clone()),
        current_changed: Some(now),
        revision: 1,
        ..Default::default()
    };
    matching.update_routing(&key("q"), &version, &routing);
    let found = matching.take_match(now, &mut Entropy::new(0), |_| false).unwrap();
    assert_eq!(found.poller.ticket, 7);
    assert_eq!(
        (found.route.lane, found.route.revision),
        (WorkerGroup::Version(version), 1)
    );
}
