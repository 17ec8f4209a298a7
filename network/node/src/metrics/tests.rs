//! What is counted is what is served.

use super::*;

const CALLS: Description<2> = describe("calls", ["method", "code"], "Calls by method and code.");
const HEIGHT: Description<1> = describe("height", ["channel"], "Blocks.");
const TIME: Description<0> = describe("time", [], "How long.");

fn lines(metrics: &Metrics, name: &str) -> Vec<String> {
    let text = metrics.text();
    text.lines().filter(|line| line.contains(name)).map(str::to_owned).collect()
}

#[test]
fn counters_gauges_and_times_are_served_with_type_and_help() {
    let metrics = Metrics::new();
    let (calls, height) = (metrics.counter(&CALLS), metrics.gauge(&HEIGHT));
    assert_eq!(lines(&metrics, "calls"), Vec::<String>::new(), "nothing was counted");
    calls.add(["Endorse", "OK"], 0);
    calls.add(["Endorse", "OK"], 2);
    calls.clone().add(["Endorse", "OK"], 1);
    calls.raise_to(["Submit", "OK"], 7);
    calls.raise_to(["Submit", "OK"], 5);
    assert_eq!(
        lines(&metrics, "calls"),
        [
            "# HELP calls Calls by method and code.",
            "# TYPE calls counter",
            "calls{code=\"OK\",method=\"Endorse\"} 3",
            "calls{code=\"OK\",method=\"Submit\"} 7",
        ]
    );
    height.set(["reports"], 9);
    height.set(["reports"], 8);
    assert_eq!(lines(&metrics, "height{"), ["height{channel=\"reports\"} 8"]);
    let time = metrics.histogram(&TIME);
    time.observe([], Duration::from_millis(3));
    time.observe([], Duration::from_secs(40));
    let served = lines(&metrics, "time_");
    for line in
        ["time_bucket{le=\"0.0025\"} 0", "time_bucket{le=\"0.005\"} 1", "time_sum 40.003", "time_count 2"]
    {
        assert!(served.iter().any(|served| served == line), "{line}: {served:#?}");
    }
}

#[test]
fn questions_are_asked_at_each_answer_and_the_process_is_known() {
    let metrics = Metrics::new();
    let (height, asked) = (metrics.gauge(&HEIGHT), std::sync::atomic::AtomicU64::new(0));
    metrics.ask(move || {
        height.set(["reports"], asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
    });
    assert_eq!(lines(&metrics, "height{"), ["height{channel=\"reports\"} 0"]);
    assert_eq!(lines(&metrics, "height{"), ["height{channel=\"reports\"} 1"]);
    for name in [
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
        "process_open_fds",
        "process_start_time_seconds",
    ] {
        let value =
            lines(&metrics, name).last().and_then(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok());
        assert!(value.is_some_and(|value| value > 0.0), "{name}: {value:?}");
    }
}

#[test]
#[should_panic(expected = "metric height is described wrongly or twice")]
fn a_name_that_is_taken_is_a_bug() {
    let metrics = Metrics::new();
    let _ = metrics.gauge(&HEIGHT);
    let _ = metrics.gauge(&HEIGHT);
}
