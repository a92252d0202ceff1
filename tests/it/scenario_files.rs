//! The gallery of scenario files: each is played twice and comes to what it says; and files that are wrong say what is wrong, where, and what
//! would help.

use std::path::{Path, PathBuf};

use awaithumans_testkit::fault::FAULT_NAMES;
use awaithumans_testkit::human::Status;
use awaithumans_testkit::player::{self, Played};
use awaithumans_testkit::scenario::{Does, Ending, Expect, Person, Scenario, ScenarioFile, WorkflowSettings};
use serde_json::json;

fn gallery() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/scenarios");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

fn read(path: &Path) -> ScenarioFile {
    let text = std::fs::read_to_string(path).unwrap();
    ScenarioFile::parse(&name_of(path), &text).unwrap_or_else(|error| panic!("{error}"))
}

/// How often a file is played at most until two runs repeat.
const TRIES: usize = 6;

/// A run that repeats: on a machine under load a worker can be left behind, and the run says so itself.
async fn play(file: &ScenarioFile) -> Played {
    for _ in 0..TRIES {
        let played = player::play(file).await.unwrap_or_else(|error| panic!("{error}"));
        if played.unreproducible.is_empty() {
            return played;
        }
    }
    panic!("{}: no run of {TRIES} repeats", file.scenario().name);
}

/// Whether the file comes to what it says, twice; what is wrong if not.
async fn play_twice(path: &Path) -> Result<(), String> {
    let file = read(path);
    let one = play(&file).await;
    let fails = |what: String| format!("{what}\n{}", one.seen.timeline);
    if let Some(broken) = &one.broken {
        return Err(fails(format!("{}: {broken}", name_of(path))));
    }
    file.judge(&one.seen).map_err(|error| fails(error.to_string()))?;
    let other = play(&file).await;
    match one.journal.to_string() == other.journal.to_string() && one.seen == other.seen {
        true => Ok(()),
        false => Err(format!(
            "{}: two runs with one seed differ\n{}\n{}",
            name_of(path),
            one.journal,
            other.journal
        )),
    }
}

#[tokio::test]
async fn every_scenario_comes_to_what_it_says_twice() {
    let mut wrong = Vec::new();
    for path in gallery() {
        wrong.extend(play_twice(&path).await.err());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(gallery().len() >= 30);
}

#[test]
fn the_gallery_has_every_fault() {
    let files: Vec<ScenarioFile> = gallery().iter().map(|path| read(path)).collect();
    let is_tried = |name: &str| {
        let mut rules = files.iter().flat_map(|file| &file.scenario().faults);
        rules.any(|rule| rule.fault.name() == name)
    };
    let untried: Vec<&str> = FAULT_NAMES.into_iter().filter(|name| !is_tried(name)).collect();
    assert!(untried.is_empty(), "no file of the gallery has {}", untried.join(", "));
}

#[test]
fn the_docs_name_files_that_there_are() {
    let docs = include_str!("../../docs/scenarios.md");
    let table = docs.split_once("| the page says | played by |").unwrap().1;
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let named: Vec<&str> = rows
        .flat_map(|row| row.trim_end_matches(" |").rsplit(" | ").next().unwrap().split(", "))
        .collect();
    assert!(named.len() >= 11, "{named:?}");
    let files: Vec<String> = gallery().iter().map(|path| name_of(path)).collect();
    let missing = named.iter().filter(|name| !files.contains(&format!("{name}.toml")));
    assert_eq!(missing.collect::<Vec<_>>(), Vec::<&&str>::new());
}

#[test]
fn what_is_written_is_read_again() {
    for path in gallery() {
        let scenario = read(&path).scenario().clone();
        let toml = scenario.to_toml().unwrap();
        let from_toml = Scenario::from_toml(&toml).unwrap_or_else(|error| panic!("{error}\n{toml}"));
        assert_eq!(from_toml, scenario, "{toml}");
        let json = scenario.to_json();
        let from_json = Scenario::from_json(&json).unwrap_or_else(|error| panic!("{error}\n{json}"));
        assert_eq!(from_json, scenario, "{json}");
    }
}

#[tokio::test]
async fn another_seed_gives_other_ids_and_the_same_outcome() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/scenarios/race_of_all.toml");
    let one = player::play(&read(&path)).await.unwrap();
    let file = read(&path).seed(9);
    let other = player::play(&file).await.unwrap();
    file.judge(&other.seen).unwrap();
    assert_ne!(one.journal.to_string(), other.journal.to_string());
}

#[tokio::test]
async fn a_bank_that_forgets_pays_twice_and_the_invariant_says_so() {
    let file = ScenarioFile::parse(
        "forgets.toml",
        r#"
            name = "a bank without idempotency keys"
            workflow = { pays_once = false }
            [[people]]
            does = { complete = { approved = true } }
            [[faults]]
            fault = { crash_worker_before = { call = { rpc = "RespondActivityTaskCompleted" }, restart_after = "1m" } }
            when = { on = "activity_started", of = "pay" }
        "#,
    );
    let played = player::play(&file.unwrap()).await.unwrap();
    let broken = played.broken.unwrap();
    assert!(
        broken.contains("at most one effect for each idempotency key"),
        "{broken}"
    );
    assert!(broken.contains("pay:approval-1 happened 2 times"), "{broken}");
}

#[tokio::test]
async fn a_scenario_can_be_written_in_rust() {
    let scenario = Scenario::new("two people, one task")
        .seed(7)
        .workflow(WorkflowSettings {
            assign_to: Some("dana@example.com".to_owned()),
            ..WorkflowSettings::default()
        })
        .person(Person::new(
            Does::Complete(json!({"approved": true})),
            std::time::Duration::from_secs(60),
        ))
        .expect(Expect {
            workflows: vec![Ending::CompletedWith(json!("approved; paid"))],
            tasks: Some(vec![Status::Completed]),
            ..Expect::default()
        });
    let file = ScenarioFile::from(scenario);
    let played = player::play(&file).await.unwrap();
    file.judge(&played.seen).unwrap();
    assert_eq!((played.seed, played.coverage.seen("status:completed")), (7, 1));
    assert!(
        played.seen.timeline.contains("dana@example.com answers"),
        "{}",
        played.seen.timeline
    );
}

/// What is wrong with a file that begins so.
fn wrong(text: &str) -> String {
    ScenarioFile::parse("bad.toml", text).unwrap_err().to_string()
}

#[test]
fn names_that_there_are_not_are_named_with_their_line() {
    let error = wrong("name = \"x\"\n\n[[faults]]\nfault = { crash_worker = { restart_afer = \"1h\" } }\n");
    insta::assert_snapshot!(error, @r"
    bad.toml:4: unexpected keys in table: restart_afer, available keys: worker, restart_after
      fix: write restart_after
    ");
    let error = wrong("name = \"x\"\n[workflow]\ntimout = \"1d\"\n");
    assert!(error.starts_with("bad.toml:3: unknown field `timout`"), "{error}");
    assert!(error.ends_with("fix: write timeout"), "{error}");
    let error = wrong("name = \"x\"\n[[faults]]\nfault = \"restart_sever\"\n");
    assert!(
        error.starts_with("bad.toml:3: unknown variant `restart_sever`"),
        "{error}"
    );
    assert!(error.ends_with("fix: write restart_server"), "{error}");
    let error = wrong("about = \"x\"\n");
    assert!(
        error.contains("missing field `name`") && error.contains("fix: say name"),
        "{error}"
    );
}

#[test]
fn impossible_times_are_named_with_their_line() {
    let person = |line: &str| wrong(&format!("name = \"x\"\n[[people]]\ndoes = \"cancel\"\n{line}\n"));
    let negative = person("after = \"-2d\"");
    assert!(negative.starts_with("bad.toml:4: \"-2d\" is negative"), "{negative}");
    let months = person("after = \"2mo\"");
    assert!(months.contains("bad.toml:4:") && months.contains("months"), "{months}");
    let swapped = person("after = { uniform = { from = \"3h\", to = \"1h\" } }");
    assert!(
        swapped.contains("bad.toml:4:") && swapped.contains("swap them"),
        "{swapped}"
    );
    let hours = person("hours = { from = \"17:00\", to = \"09:00\" }");
    assert!(
        hours.contains("bad.toml:4:") && hours.contains("after they begin"),
        "{hours}"
    );
    let zone = person("hours = { from = \"09:00\", to = \"17:00\", zone = \"Mars\" }");
    assert!(
        zone.contains("bad.toml:4:") && zone.contains("no time zone \"Mars\""),
        "{zone}"
    );
    let timeout = wrong("name = \"x\"\n[workflow]\ntimeout = \"31d\"\n");
    insta::assert_snapshot!(timeout, @r#"
    bad.toml:3: workflow.timeout: awaithumans takes timeouts of 1m to 30d, in whole seconds, not 31d
      fix: write timeout = "7d"
    "#);
}

#[test]
fn rules_that_can_never_match_are_named_with_their_line() {
    let fault = |lines: &str| wrong(&format!("name = \"x\"\n\n[[faults]]\n{lines}\n"));
    let rpc = fault("fault = { fail_call = { call = { rpc = \"SignalWorkflow\" } } }");
    assert!(
        rpc.starts_with("bad.toml:3: faults[0]: fail_call: Temporal has no RPC \"SignalWorkflow\""),
        "{rpc}"
    );
    assert!(rpc.contains("\n  fix: the names are those of its API"), "{rpc}");
    let workflow = fault("fault = \"restart_server\"\nwhen = { on = \"parked\", of = \"approval-2\" }");
    insta::assert_snapshot!(workflow, @r#"
    bad.toml:5: faults[0].when.of: parked never comes of "approval-2", so it can never match
      fix: write "approval-1"
    "#);
    let worker = fault("fault = { crash_worker = { worker = \"bob\" } }\nwhen = { on = \"parked\" }");
    assert!(
        worker.contains("bad.toml:4:") && worker.contains("there are: worker-1"),
        "{worker}"
    );
    let key = fault("fault = { lose_webhook = { webhook = { key = \"temporal:aproval-1\" } } }");
    assert!(
        key.contains("bad.toml:4:") && key.contains("write \"temporal:approval-1\""),
        "{key}"
    );
    let activity = fault("fault = { drop_task = { task = { activity = \"pays\" } } }");
    assert!(
        activity.contains("bad.toml:4:") && activity.contains("write \"pay\""),
        "{activity}"
    );
    let event = fault("fault = \"restart_server\"\nwhen = { on = \"history_event\", detail = \"TIMER_STRATED\" }");
    assert!(
        event.contains("bad.toml:5:") && event.contains("no event \"TIMER_STRATED\""),
        "{event}"
    );
    let status = fault("fault = \"restart_server\"\nwhen = { on = \"task_ended\", detail = \"complete\" }");
    assert!(
        status.contains("bad.toml:5:") && status.contains("write \"completed\""),
        "{status}"
    );
    let times = fault("fault = \"restart_server\"\ntimes = 0\nwhen = { on = \"parked\" }");
    assert!(
        times.contains("never fires") && times.contains("leave `times` out"),
        "{times}"
    );
    let zeroth = fault("fault = { duplicate_task = { task = { nth = 0 } } }");
    insta::assert_snapshot!(zeroth, @r"
    bad.toml:3: faults[0]: duplicate_task: `nth` counts from 1
      fix: write 1 for the first, or leave it out
    ");
}

#[test]
fn duplicates_are_named_with_both_lines() {
    let rule = "[[faults]]\nfault = \"restart_server\"\nwhen = { on = \"parked\" }\n";
    let faults = wrong(&format!("name = \"x\"\n{rule}\n{rule}"));
    insta::assert_snapshot!(faults, @r"
    bad.toml:6: faults[1]: it is the same fault as the one on line 2 (number 1)
      fix: leave one out, and say how often by `times`
    ");
    let person = "[[people]]\ndoes = \"never\"\n";
    let people = wrong(&format!("name = \"x\"\n{person}{person}"));
    assert!(people.starts_with("bad.toml:4: people[1]:"), "{people}");
    assert!(people.contains("people[0] on line 2 takes them all"), "{people}");
    let key = wrong("name = \"x\"\nname = \"y\"\n");
    assert!(key.starts_with("bad.toml:2:") && key.contains("duplicate key"), "{key}");
}

#[test]
fn people_without_tasks_are_named_with_their_line() {
    let person = |lines: &str| wrong(&format!("name = \"x\"\n[[people]]\n{lines}\n"));
    let key = person("does = \"cancel\"\ntask = { key = \"temporal:approval-7\" }");
    assert!(
        key.contains("bad.toml:4:") && key.contains("write \"temporal:approval-1\""),
        "{key}"
    );
    let title = person("does = \"cancel\"\ntask = { title_contains = \"Refund\" }");
    assert!(
        title.contains("bad.toml:4:") && title.contains("Pay $250 to cus_demo?"),
        "{title}"
    );
    let verifier = person("does = \"reject_until_exhausted\"");
    assert!(
        verifier.contains("bad.toml:3:") && verifier.contains("verifier_attempts = 3"),
        "{verifier}"
    );
}

#[test]
fn json_has_lines_too() {
    let json = |text: &str| ScenarioFile::parse("bad.json", text).unwrap_err().to_string();
    let unknown = json("{\n \"name\": \"x\",\n \"fault\": []\n}");
    assert!(unknown.starts_with("bad.json:3: unknown field `fault`"), "{unknown}");
    assert!(unknown.ends_with("fix: write faults"), "{unknown}");
    let twice = json("{\n \"name\": \"x\",\n \"name\": \"y\"\n}");
    assert!(twice.starts_with("bad.json:3: duplicate field `name`"), "{twice}");
    let rule = json("{\"name\": \"x\",\n \"faults\": [\n  {\"fault\": {\"fail_request\": {\"status\": 99}}}\n]}");
    assert!(
        rule.starts_with("bad.json:3: faults[0]:") && rule.contains("200 to 599"),
        "{rule}"
    );
    let cut = json("{\"name\": ");
    assert!(cut.starts_with("bad.json:1: EOF"), "{cut}");
}

#[test]
fn a_part_of_a_file_is_a_scenario_or_an_error_that_names_the_file() {
    let check = |name: &str, text: &str| {
        if let Err(error) = ScenarioFile::parse(name, text) {
            assert!(!error.problems().is_empty(), "{text}");
            assert!(error.to_string().starts_with(name), "{error}\n{text}");
        }
    };
    for path in gallery() {
        let toml = std::fs::read_to_string(&path).unwrap();
        let json = read(&path).scenario().to_json();
        for (name, text) in [("x.toml", &toml), ("x.json", &json)] {
            for end in (0..text.len()).step_by(5).filter(|end| text.is_char_boundary(*end)) {
                check(name, &text[..end]);
            }
            for left_out in 0..text.lines().count() {
                let rest: Vec<&str> = text
                    .lines()
                    .enumerate()
                    .filter_map(|(number, line)| (number != left_out).then_some(line))
                    .collect();
                check(name, &rest.join("\n"));
            }
        }
    }
}

#[tokio::test]
async fn what_never_fired_and_what_wasnt_met_is_named_with_its_line() {
    let text = "name = \"x\"\n\n[[people]]\nafter = \"1h\"\ndoes = { complete = { approved = true } }\n\n\
                [[faults]]\nfault = { lose_webhook = { webhook = { nth = 7 } } }\n\n\
                [[faults]]\nfault = \"restart_server\"\nwhen = { on = \"parked\", nth = 2 }\n\n\
                [[faults]]\nfault = \"restart_server\"\nwhen = { on = \"answer_rejected\" }\n\n\
                [expect]\nworkflows = [{ failed = \"TaskTimeoutError\" }]\ntasks = [\"cancelled\"]\neffects = 2\n\
                lasts_at_most = \"1s\"\ntimeline = [\"a miracle\"]\n";
    let file = ScenarioFile::parse("x.toml", text).unwrap();
    let played = player::play(&file).await.unwrap();
    let error = file.judge(&played.seen).unwrap_err();
    let lines: Vec<(Option<usize>, &str)> = error
        .problems()
        .iter()
        .map(|problem| (problem.line, problem.path.as_str()))
        .collect();
    assert_eq!(
        lines,
        [
            (Some(7), "faults[0]"),
            (Some(10), "faults[1]"),
            (Some(14), "faults[2]"),
            (Some(19), "expect.workflows[0]"),
            (Some(20), "expect.tasks"),
            (Some(21), "expect.effects"),
            (Some(22), "expect.lasts_at_most"),
            (Some(23), "expect.timeline[0]"),
        ]
    );
    let text = error.to_string();
    assert!(text.contains("never fired: nothing came by that it is for"), "{text}");
    assert!(text.contains("never fired, though parked came 1 times"), "{text}");
    assert!(
        text.contains("never fired: there was no answer_rejected at all"),
        "{text}"
    );
    assert!(
        text.contains("workflow 1 is to be failed with TaskTimeoutError"),
        "{text}"
    );
    assert!(error.problems().iter().all(|problem| !problem.fix.is_empty()), "{text}");
}

#[tokio::test]
async fn a_workflow_of_the_users_own_isnt_played_here() {
    let scenario = Scenario::new("mine").workflow(WorkflowSettings {
        workflow_type: Some("Refund".to_owned()),
        ..WorkflowSettings::default()
    });
    let error = player::play(&scenario.into()).await.unwrap_err().to_string();
    assert!(error.contains("--task-queue"), "{error}");
}

/// Runs the executable; gives its exit code, stdout and stderr.
fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_awaithumans-testkit"))
        .arg("run")
        .args(arguments)
        .env_remove("AWAITHUMANS_TESTKIT_SEED")
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// A file for the executable, and its name.
fn write(name: &str, text: &str) -> String {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("scenario_files");
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path.to_string_lossy().into_owned()
}

#[test]
fn the_executable_plays_a_file_and_says_how_it_went() {
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/fixtures/scenarios/worker_dies_while_parked.toml"
    );
    let (code, stdout, stderr) = run(&[file, "--seed", "7"]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert!(
        stdout.starts_with("── the worker dies while the workflow is parked (seed 7) ──\n"),
        "{stdout}"
    );
    assert!(stdout.contains("FAULT worker worker-1 dies"), "{stdout}");
    assert!(stdout.contains("fault:crash_worker 1×"), "{stdout}");
}

#[test]
fn the_executable_tells_failures_from_wrong_files() {
    let unmet = "name = \"x\"\n[[people]]\ndoes = \"cancel\"\n[expect]\neffects = 1\n";
    let unmet = write("unmet.toml", unmet);
    let (code, stdout, stderr) = run(&[&unmet]);
    assert_eq!(code, Some(1));
    assert!(stdout.contains("cancels task"), "{stdout}");
    assert!(
        stderr.contains("unmet.toml:5: expect.effects: 1 expected, and it was 0"),
        "{stderr}"
    );
    assert!(stderr.contains("run it again: awaithumans-testkit run"), "{stderr}");

    let broken = "name = \"x\"\nworkflow = { pays_once = false }\n[[people]]\ndoes = { complete = { approved = true } }\n\
                  [[faults]]\nfault = { duplicate_task = { task = { activity = \"pay\" } } }\n";
    let (code, _, stderr) = run(&[&write("broken.toml", broken)]);
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("pay:approval-1 happened 2 times"), "{stderr}");

    let (code, stdout, stderr) = run(&[&write("wrong.toml", "name = \"x\"\nfault = []\n")]);
    assert_eq!((code, stdout.as_str()), (Some(2), ""));
    assert!(stderr.contains("wrong.toml:2: unknown field `fault`"), "{stderr}");

    let (code, _, stderr) = run(&["there is no such file.toml"]);
    assert_eq!(code, Some(2));
    assert!(stderr.starts_with("there is no such file.toml: "), "{stderr}");

    let (code, _, stderr) = run(&[
        &unmet,
        "--temporal",
        "example.com:7233",
        "--callback",
        "x",
        "--task-queue",
        "q",
    ]);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("HOST is 127.0.0.1 or localhost"), "{stderr}");
    let (code, _, stderr) = run(&[&unmet, "--temporal", "127.0.0.1:0"]);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("--callback"), "{stderr}");
}
