//! Misbehaving chaincodes cost their own call, and others go on.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use protocol::{BlockNumber, ChaincodeName, ChannelId, MspId, Poi, Role, TxId, TxNumber, Version};
use shim::{ChaincodeError, Creator, StateFault, Stub};

use super::*;

/// A state of three keys, `k1` to `k3`.
struct Three;

impl StateReader for Three {
    fn value(&self, namespace: &str, key: &str) -> Result<Option<(Bytes, Version)>, StateFault> {
        match key {
            "unreadable" => {
                Err(StateFault { namespace: namespace.to_owned(), cause: "a damaged table file".to_owned() })
            }
            _ => Ok(None),
        }
    }

    fn values(
        &self,
        _: &str,
        start: &str,
        _: &str,
        limit: usize,
    ) -> Result<Vec<(String, Bytes, Version)>, StateFault> {
        let version = Version { block_number: BlockNumber(1), tx_number: TxNumber(0) };
        let keys = ["k1", "k2", "k3"].into_iter().filter(|key| *key >= start).take(limit);
        Ok(keys.map(|key| (key.to_owned(), Bytes::from_static(b"old"), version)).collect())
    }
}

/// Does what its first argument says.
struct Misbehaving(Arc<AtomicBool>);

impl Chaincode for Misbehaving {
    fn name(&self) -> &'static str {
        "misbehaving"
    }

    fn version(&self) -> &'static str {
        "1.0"
    }

    fn invoke(&self, stub: &mut dyn Stub) -> Result<Bytes, ChaincodeError> {
        match stub.function() {
            "panic" => panic!("on purpose"),
            "refuse" => Err(ChaincodeError::forbidden("no")),
            "write" => {
                stub.put_state("k", Bytes::from_static(b"v"))?;
                stub.set_event("Written", Bytes::new())?;
                Ok(Bytes::from_static(b"done"))
            }
            "loop over the stub" => loop {
                stub.state("k")?;
            },
            "loop" => {
                while !self.0.load(Ordering::Relaxed) {
                    std::thread::yield_now();
                }
                Ok(Bytes::new())
            }
            "flood" => (0_u64..)
                .try_for_each(|number| stub.put_state(&format!("f{number}"), Bytes::new()))
                .map_or_else(|error| Err(error.into()), |()| Ok(Bytes::new())),
            // It takes no answer of the stub for one.
            "flood, all the same" => {
                for number in 0..60_000 {
                    let _ = stub.put_state(&format!("f{number}"), Bytes::new());
                }
                Ok(Bytes::from_static(b"done"))
            }
            "loop over the stub, all the same" => loop {
                let _ = stub.state("k");
            },
            "unreadable state, all the same" => {
                let _ = stub.state("unreadable");
                stub.put_state("k", Bytes::new())?;
                Ok(Bytes::from_static(b"done"))
            }
            "flood of bytes" => loop {
                stub.put_state("one key", Bytes::from(vec![7; 1 << 20]))?;
            },
            "a large value" => {
                stub.put_state("k", Bytes::from(vec![7; (8 << 20) + 1]))?;
                Ok(Bytes::new())
            }
            "100 MB" => Ok(Bytes::from(vec![0; 100 << 20])),
            "a long refusal" => Err(ChaincodeError::forbidden("n\u{f6}".repeat(1 << 20))),
            "delete what a range gives" => {
                let found = stub.range("k", "", 10)?;
                for (key, _) in &found {
                    stub.delete_state(key)?;
                    stub.put_state(&format!("{key}-new"), Bytes::new())?;
                }
                let again = stub.range("k", "", 10)?;
                Ok(Bytes::from(format!("{} {}", found.len(), found == again)))
            }
            other => Err(ChaincodeError::malformed(other.to_owned())),
        }
    }
}

fn run(chaincode: &str, function: &str) -> Run {
    let invocation = Invocation {
        channel: ChannelId::new("ch").expect("valid"),
        chaincode: ChaincodeName::new(chaincode).expect("valid"),
        version: "1.0".to_owned(),
        tx_id: TxId::of(b"n", b"c"),
        args: vec![Bytes::copy_from_slice(function.as_bytes())],
        transient: BTreeMap::new(),
        creator: Creator {
            msp_id: MspId::new("A").expect("valid"),
            poi: Poi::from_digest([0; 32]),
            roles: vec![Role::Member],
            attributes: BTreeMap::new(),
        },
        timestamp_ms: 0,
        reports: None,
        organization: None,
        examination: None,
    };
    Run { invocation, state: Arc::new(Three) }
}

/// Long enough for a busy machine, where a run ends by itself.
const PATIENT: Duration = Duration::from_secs(60);

fn host(released: &Arc<AtomicBool>, deadline: Duration) -> ChaincodeHost {
    let limits = HostLimits { threads: 1, waiting_max: 4, waiting_slow_max: 1, deadline };
    ChaincodeHost::start(vec![Arc::new(Misbehaving(Arc::clone(released)))], limits).expect("starts")
}

#[tokio::test]
async fn an_answer_a_refusal_and_a_panic_are_responses() {
    let host = host(&Arc::default(), PATIENT);
    // function -> status, writes
    let rows: &[(&str, i32, usize)] = &[
        ("write", 200, 1),
        ("refuse", 403, 0),
        ("panic", 500, 0),
        ("write", 200, 1),
        ("panic", 500, 0),
        ("other", 400, 0),
    ];
    for (function, status, writes) in rows {
        let result = host.invoke(run("misbehaving", function)).await.expect("answers");
        assert_eq!(result.response.status, *status, "{function}");
        let written: usize = result.rwset.namespaces.iter().map(|namespace| namespace.writes.len()).sum();
        assert_eq!(written, *writes, "{function}");
        assert_eq!(result.event.is_some(), *writes > 0, "{function}");
    }
    let error = host.invoke(run("nothing", "write")).await.expect_err("unknown");
    assert!(error.to_string().contains("it has misbehaving"), "{error}");
}

#[tokio::test]
async fn what_a_chaincode_does_to_excess_costs_its_own_call() {
    let host = host(&Arc::default(), PATIENT);
    let (over, panicked, state) = (RunFailure::OverLimit, RunFailure::Panicked, RunFailure::State);
    // function -> status, words of its message, why the host ended it
    let rows = [
        ("flood", 413, "50000 writes", Some(over)),
        ("flood, all the same", 413, "50000 writes", Some(over)),
        ("loop over the stub, all the same", 413, "50000 reads", Some(over)),
        ("flood of bytes", 413, "bytes written", Some(over)),
        ("a large value", 413, "8388608 bytes of a value", Some(over)),
        ("100 MB", 413, "104857600 bytes, over the limit of 8388608", Some(over)),
        ("unreadable state, all the same", 500, "a damaged table file", Some(state)),
        ("a long refusal", 403, "nö", None),
        ("panic", 500, "chaincode misbehaving panicked", Some(panicked)),
    ];
    for (function, status, words, failure) in rows {
        let (bad, good) =
            tokio::join!(host.invoke(run("misbehaving", function)), host.invoke(run("misbehaving", "write")));
        let bad = bad.expect("an answer");
        assert_eq!(bad.response.status, status, "{function}");
        assert!(bad.response.message.contains(words), "{function}: {}", &bad.response.message[..80]);
        assert!(bad.response.message.chars().count() <= 4_096, "{function}");
        assert!(bad.rwset.namespaces.is_empty() && bad.response.payload.is_empty(), "{function}");
        assert_eq!(bad.failure, failure, "{function}");
        assert_eq!(good.expect("beside it").response.status, 200, "{function}");
    }
}

#[tokio::test]
async fn a_range_shows_what_is_committed_however_its_reader_writes() {
    let host = host(&Arc::default(), PATIENT);
    let result = host.invoke(run("misbehaving", "delete what a range gives")).await.expect("an answer");
    assert_eq!(result.response.payload, "3 true");
    let namespace = &result.rwset.namespaces[0];
    assert_eq!((namespace.writes.len(), namespace.ranges.len()), (6, 2));
    assert_eq!(namespace.ranges[0], namespace.ranges[1]);
}

/// A thread that is stuck may never come back.
#[tokio::test]
async fn runs_in_line_behind_stuck_threads_are_told_at_their_deadline() {
    let released = Arc::default();
    let host = host(&released, Duration::from_millis(300));
    let (stuck, began) = (|| host.stuck_threads().map(|(_, stuck)| stuck).sum::<usize>(), Instant::now());
    // On a loaded machine a run may be told so before it began; then it holds no thread.
    while stuck() < 2 {
        assert!(began.elapsed() < PATIENT, "the runs do not begin");
        if stuck() == 0 {
            host.invoke(run("misbehaving", "loop")).await.expect_err("over time");
            continue;
        }
        let (second, waiting) =
            tokio::join!(host.invoke(run("misbehaving", "loop")), host.invoke(run("misbehaving", "write")));
        for outcome in [second, waiting] {
            let error = outcome.expect_err("no thread is left");
            assert!(matches!(error, HostError::DeadlineExceeded { .. }), "{error}");
        }
    }
    assert_eq!(host.stuck_threads().collect::<Vec<_>>(), [("misbehaving", 2)]);
    released.store(true, Ordering::Relaxed);
}

/// Otherwise callers of a chaincode that hangs hold every place of the peer until their deadline.
#[tokio::test]
async fn while_every_thread_is_in_a_slow_run_only_few_may_wait() {
    let released = Arc::default();
    let host = host(&released, PATIENT);
    let calls = async {
        let late = async {
            let (mut slow, began) = (0, Instant::now());
            // Places are refused once the run is slow, and kept for the one that may wait.
            while slow < 3 {
                assert!(began.elapsed() < PATIENT, "{slow} were told");
                match host.invoke(run("misbehaving", "write")).await {
                    Err(HostError::Slow { slow_ms: 1_000, waiting: 1, .. }) => slow += 1,
                    Err(HostError::Busy { .. }) => tokio::task::yield_now().await,
                    other => panic!("{other:?}"),
                }
            }
            released.store(true, Ordering::Relaxed);
        };
        // One runs; of those in line the first keeps its place, and whoever came behind it is told.
        let line = || host.invoke(run("misbehaving", "write"));
        tokio::join!(host.invoke(run("misbehaving", "loop")), line(), late)
    };
    let (slow, waited, ()) = calls.await;
    assert_eq!(slow.expect("it was released").response.status, 200);
    assert_eq!(waited.expect("it kept its place").response.status, 200);
    assert_eq!(host.invoke(run("misbehaving", "write")).await.expect("goes on").response.status, 200);
}

#[tokio::test]
async fn a_loop_over_the_stub_ends_at_its_budget_or_deadline() {
    let host = host(&Arc::default(), PATIENT);
    let status = match host.invoke(run("misbehaving", "loop over the stub")).await {
        Ok(result) => result.response.status,
        Err(HostError::DeadlineExceeded { .. }) => 500,
        Err(other) => panic!("{other}"),
    };
    assert!(matches!(status, 413 | 500), "{status}");
    assert_eq!(host.invoke(run("misbehaving", "write")).await.expect("goes on").response.status, 200);
}

#[tokio::test]
async fn an_endless_loop_costs_its_thread_and_the_chaincode_is_refused_when_all_are_stuck() {
    let released = Arc::default();
    let host = host(&released, Duration::from_millis(300));
    for _ in 0..2 {
        let error = host.invoke(run("misbehaving", "loop")).await.expect_err("over time");
        assert!(matches!(error, HostError::DeadlineExceeded { deadline_ms: 300, .. }), "{error}");
    }
    let error = host.invoke(run("misbehaving", "write")).await.expect_err("all threads are stuck");
    assert!(matches!(error, HostError::Stuck { threads: 2, .. }), "{error}");
    released.store(true, Ordering::Relaxed);
    let ends_at = Instant::now() + Duration::from_secs(10);
    while host.invoke(run("misbehaving", "write")).await.is_err() {
        assert!(Instant::now() < ends_at, "the threads come back");
        tokio::task::yield_now().await;
    }
}
