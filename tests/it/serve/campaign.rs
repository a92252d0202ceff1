//! The executable's campaigns: on this machine, and as processes around `serve`, one of which is killed.

use std::path::Path;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr};

use super::binary::{ANY_PORTS, command, ready_line, text};
use super::signal;
use crate::campaigns::LATE;

/// The scenario as a file, and its name.
fn scenario(name: &str, text: &str) -> String {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("campaigns");
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path.to_string_lossy().into_owned()
}

/// Runs `campaign`; gives its exit code, stdout and stderr.
async fn campaign(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = command(&[&["campaign"], arguments].concat()).output().await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn stderr(child: &mut Child) -> Lines<BufReader<ChildStderr>> {
    BufReader::new(child.stderr.take().expect("it is piped")).lines()
}

/// Reads on until a line has this.
async fn line_with(lines: &mut Lines<BufReader<ChildStderr>>, wanted: &str) -> String {
    let mut seen = Vec::new();
    while let Some(line) = lines.next_line().await.unwrap() {
        if line.contains(wanted) {
            return line;
        }
        seen.push(line);
    }
    panic!("no line has {wanted:?}: {seen:?}");
}

#[tokio::test]
async fn a_campaign_that_loses_a_worker_comes_to_the_same_report_as_on_one_machine() {
    let file = scenario("late.toml", LATE);
    let what = ["--seeds", "0..60", "--scenario", &file];
    let (code, here, _) = campaign(&what).await;
    assert_eq!(code, Some(1), "{here}");
    assert!(here.starts_with("seen in 60 runs\n"), "{here}");
    assert!(here.contains("of 60 seeds fail, in these ways:"), "{here}");
    assert!(
        here.contains(&format!("run it again: awaithumans-testkit run {file} --seed ")),
        "{here}"
    );

    let mut server = command(&[&ANY_PORTS[..], &["--time", "real"]].concat())
        .spawn()
        .unwrap();
    let ready = ready_line(&mut server).await;
    let cluster = ["--temporal", text(&ready, "temporal")];
    let worker = || {
        let arguments = [&["campaign", "worker", "--threads", "1"][..], &cluster].concat();
        // The seed of a testkit in a test; campaigns go by theirs.
        command(&arguments)
            .env("AWAITHUMANS_TESTKIT_SEED", "7")
            .spawn()
            .unwrap()
    };
    let (mut killed, mut survivor) = (worker(), worker());
    let mut told = stderr(&mut killed);
    line_with(&mut told, "waits for campaigns").await;
    let mut told_by_survivor = stderr(&mut survivor);
    line_with(&mut told_by_survivor, "waits for campaigns").await;

    let there = ["campaign", "--shard-size", "20", "--heartbeat-timeout", "1s"];
    let mut client = command(&[&there[..], &what, &cluster].concat()).spawn().unwrap();
    // As soon as it has a shard it is killed: by SIGKILL, so it says nothing to anybody.
    let begun = line_with(&mut told, "plays ").await;
    killed.kill().await.unwrap();
    let mut report = String::new();
    client.stdout.take().unwrap().read_to_string(&mut report).await.unwrap();
    assert_eq!(client.wait().await.unwrap().code(), Some(1));
    assert_eq!(report, here);
    // The survivor has what the other one had, from its start or from its last heartbeat.
    line_with(&mut told_by_survivor, &begun).await;

    signal(&survivor, "-TERM").await;
    assert!(survivor.wait().await.unwrap().success());
    server.kill().await.unwrap();
}

#[tokio::test]
async fn who_starts_a_campaign_may_leave_and_attach_again() {
    let file = scenario("attach.toml", LATE);
    let mut server = command(&[&ANY_PORTS[..], &["--time", "real"]].concat())
        .spawn()
        .unwrap();
    let ready = ready_line(&mut server).await;
    let cluster = ["--temporal", text(&ready, "temporal"), "--namespace", "default"];
    let arguments = [&["campaign", "--seeds", "0..4", "--scenario", &file][..], &cluster].concat();
    let mut client = command(&arguments).spawn().unwrap();
    let mut told = stderr(&mut client);
    line_with(&mut told, "has begun").await;
    line_with(&mut told, "awaithumans-testkit campaign worker --temporal 127.0.0.1:").await;
    signal(&client, "-INT").await;
    line_with(&mut told, "goes on without this; the same command attaches").await;
    assert_eq!(client.wait().await.unwrap().code(), Some(130));

    let mut client = command(&arguments).spawn().unwrap();
    let mut told = stderr(&mut client);
    line_with(&mut told, "runs already; this waits for it").await;
    let mut worker = command(&[&["campaign", "worker"][..], &cluster].concat())
        .spawn()
        .unwrap();
    let mut report = String::new();
    client.stdout.take().unwrap().read_to_string(&mut report).await.unwrap();
    assert!(report.starts_with("seen in 4 runs\n"), "{report}");
    worker.kill().await.unwrap();
    server.kill().await.unwrap();
}

#[tokio::test]
async fn what_is_wrong_is_said_before_anything_starts() {
    let good = scenario("good.toml", "name = \"nobody answers\"\n");
    let seeds = |seeds: &'static str| {
        let good = good.clone();
        async move { campaign(&["--seeds", seeds, "--scenario", &good]).await }
    };
    for (range, why) in [
        ("5..5", "5..5 has no seed"),
        ("9..3", "9..3 ends before it begins"),
        ("0..many", "\"many\" in \"0..many\" is no number"),
        ("7", "\"7\" is no range of seeds"),
    ] {
        let (code, stdout, stderr) = seeds(range).await;
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{stderr}");
        assert!(stderr.contains(why), "{stderr}");
    }
    // Nobody is there at this address, and nobody is asked.
    let nobody = ["--seeds", "0..1", "--temporal", "127.0.0.1:1", "--scenario"];
    let bad = scenario("bad.toml", "name = \"x\"\nfault = []\n");
    let (code, _, stderr) = campaign(&[&nobody[..], &[&bad]].concat()).await;
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("bad.toml:2: unknown field `fault`"), "{stderr}");
    let own = scenario("own.toml", "name = \"x\"\nworkflow = { type = \"Refund\" }\n");
    let (code, _, stderr) = campaign(&[&nobody[..], &[&own]].concat()).await;
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("Refund is a workflow of your own"), "{stderr}");
    let (code, _, stderr) = campaign(&[&nobody[..], &[&good]].concat()).await;
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("no Temporal server answers at 127.0.0.1:1"), "{stderr}");

    let (code, _, stderr) = campaign(&["--scenario", &good]).await;
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("--seeds"), "{stderr}");
    let (code, stdout, stderr) = seeds("0..2").await;
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stdout.ends_with("none of 2 seeds fails\n"), "{stdout}");
    assert!(stderr.contains("2 seeds on"), "{stderr}");
}
