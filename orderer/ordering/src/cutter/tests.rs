//! Tables of the cutting rules, and properties over random histories.

use proptest::prelude::*;

use super::*;

fn limits() -> BatchConfig {
    BatchConfig { max_message_count: 3, absolute_max_bytes: 100, preferred_max_bytes: 50, timeout_ms: 200 }
}

/// What happens to the cutter; the second number is the time.
#[derive(Clone, Debug)]
enum Event {
    Push(usize, u64),
    PushAlone(usize, u64),
    Tick(u64),
    Completed(u64),
}
use Event::{Completed, Push, PushAlone, Tick};

/// Numbers the envelopes by their place of arrival and returns the batches as lists of these numbers.
fn run(in_flight_max: usize, events: &[Event]) -> Vec<Vec<usize>> {
    let mut cutter = BlockCutter::new(limits(), in_flight_max);
    let mut pushed = 0;
    let mut batches = Vec::new();
    for event in events {
        let cut = match event {
            Push(bytes, now_ms) => {
                pushed += 1;
                cutter.push(pushed, *bytes, *now_ms)
            }
            PushAlone(bytes, now_ms) => {
                pushed += 1;
                cutter.push_alone(pushed, *bytes, *now_ms)
            }
            Tick(now_ms) => cutter.tick(*now_ms),
            Completed(now_ms) => cutter.completed(*now_ms),
        };
        batches.extend(cut.into_iter().map(|batch| batch.items));
    }
    batches
}

#[test]
fn each_rule_of_cutting() {
    type Row<'a> = (&'a str, usize, &'a [Event], &'a [&'a [usize]]);
    let rows: &[Row<'_>] = &[
        ("one client waits for no timer", 2, &[Push(1, 0)], &[&[1]]),
        ("while a block is in flight others wait", 2, &[Push(1, 0), Push(1, 1), Tick(199)], &[&[1]]),
        (
            "they go when it has left",
            2,
            &[Push(1, 0), Push(1, 1), Push(1, 2), Completed(3)],
            &[&[1], &[2, 3]],
        ),
        (
            "a full count is cut at once",
            2,
            &[Push(1, 0), Push(1, 1), Push(1, 1), Push(1, 1)],
            &[&[1], &[2, 3, 4]],
        ),
        ("full bytes are cut at once", 2, &[Push(1, 0), Push(30, 1), Push(20, 1)], &[&[1], &[2, 3]]),
        (
            "what does not fit waits for the next",
            2,
            &[Push(1, 0), Push(30, 1), Push(21, 1), Completed(2), Completed(3)],
            &[&[1], &[2], &[3]],
        ),
        (
            "an envelope over the preferred bytes travels alone",
            3,
            &[Push(1, 0), Push(10, 1), Push(90, 1)],
            &[&[1], &[2], &[3]],
        ),
        ("the timeout of the oldest ends the wait", 2, &[Push(1, 0), Push(1, 10), Tick(210)], &[&[1], &[2]]),
        (
            "no rule exceeds the blocks in flight",
            1,
            &[Push(1, 0), Push(50, 1), Push(50, 1), Tick(999)],
            &[&[1]],
        ),
        (
            "completion releases one at a time",
            1,
            &[Push(1, 0), Push(50, 1), Push(50, 1), Completed(2)],
            &[&[1], &[2]],
        ),
        (
            "an envelope that stands alone has no company before or behind it",
            1,
            &[Push(1, 0), Push(1, 1), PushAlone(1, 1), Push(1, 1), Completed(2), Completed(3), Completed(4)],
            &[&[1], &[2], &[3], &[4]],
        ),
        (
            "what comes before it waits for no company",
            3,
            &[Push(1, 0), Push(1, 1), PushAlone(1, 1)],
            &[&[1], &[2], &[3]],
        ),
        (
            "a block of several leaves the next one time to fill",
            1,
            &[Push(1, 0), Push(1, 1), Push(1, 1), Completed(2), Push(1, 2), Completed(3), Tick(3)],
            &[&[1], &[2, 3]],
        ),
        (
            "that time ends",
            1,
            &[Push(1, 0), Push(1, 1), Push(1, 1), Completed(2), Completed(2), Push(1, 3), Tick(4)],
            &[&[1], &[2, 3], &[4]],
        ),
        (
            "a full batch does not wait for it",
            1,
            &[Push(1, 0), Push(1, 1), Push(1, 1), Completed(2), Completed(2), Push(30, 2), Push(20, 2)],
            &[&[1], &[2, 3], &[4, 5]],
        ),
        (
            "a clock that was set back does not prolong it",
            1,
            &[Push(1, 90), Push(1, 91), Push(1, 91), Completed(92), Completed(92), Push(1, 5)],
            &[&[1], &[2, 3], &[4]],
        ),
        ("nothing waits, nothing is cut", 2, &[Tick(1), Completed(2), Tick(1000)], &[]),
    ];
    for (name, in_flight_max, events, verdict) in rows {
        let verdict: Vec<Vec<usize>> = verdict.iter().map(|batch| batch.to_vec()).collect();
        assert_eq!(run(*in_flight_max, events), verdict, "{name}");
    }
}

#[test]
fn there_is_room_until_a_block_is_full() {
    let mut cutter = BlockCutter::new(limits(), 1);
    cutter.push(0, 1, 0);
    let rows = [("nothing waits", 0, true), ("one", 10, true), ("two", 30, true), ("by number", 1, false)];
    for (name, bytes, has_room) in rows {
        if bytes > 0 {
            cutter.push(0, bytes, 0);
        }
        assert_eq!(cutter.has_room(), has_room, "{name}");
    }
    cutter.drain();
    cutter.push(0, 50, 0);
    assert!(!cutter.has_room(), "by bytes");
}

#[test]
fn what_waits_goes_on_filling_while_the_last_batch_is_held() {
    let mut cutter = BlockCutter::new(limits(), 8);
    assert_eq!(cutter.push(1, 1, 0).len(), 1);
    cutter.hold(true);
    assert!(cutter.push(2, 1, 0).is_empty());
    assert!(cutter.push_alone(3, 1, 0).is_empty() && cutter.tick(9_999).is_empty());
    assert_eq!(cutter.wait_ms(9_999), None, "and wakes nobody");
    cutter.hold(false);
    let batches: Vec<_> = cutter.tick(9_999).into_iter().map(|batch| batch.items).collect();
    assert_eq!(batches, [vec![2], vec![3]]);
}

#[test]
fn the_deadline_is_the_oldest_arrival_plus_the_timeout() {
    let mut cutter = BlockCutter::new(limits(), 2);
    assert_eq!(cutter.deadline_ms(), None);
    cutter.push(1, 1, 1_000);
    assert_eq!(cutter.deadline_ms(), None, "it was cut at once");
    cutter.push(2, 1, 1_010);
    cutter.push(3, 1, 1_020);
    assert_eq!(cutter.deadline_ms(), Some(1_210));
    assert_eq!(cutter.len(), 2);
}

#[test]
fn the_deadline_is_the_end_of_the_time_to_fill_where_nothing_is_in_flight() {
    let mut cutter = BlockCutter::new(limits(), 1);
    cutter.push(1, 1, 1_000);
    cutter.push(2, 1, 1_000);
    cutter.push(3, 1, 1_000);
    assert_eq!(cutter.completed(1_001).len(), 1, "two transactions");
    assert!(cutter.completed(1_002).is_empty());
    cutter.push(4, 1, 1_002);
    assert_eq!(cutter.deadline_ms(), Some(1_003));
    assert_eq!(cutter.tick(1_003).len(), 1);
}

#[test]
fn the_time_to_fill_is_bounded() {
    let mut many = BatchConfig { max_message_count: 500, ..limits() };
    many.preferred_max_bytes = 1_000;
    let mut cutter = BlockCutter::new(many, 1);
    for number in 0..200 {
        cutter.push(number, 1, 0);
    }
    assert_eq!(cutter.completed(0).len(), 1, "all the others in one");
    assert!(cutter.completed(1).is_empty());
    cutter.push(200, 1, 1);
    assert_eq!(cutter.deadline_ms(), Some(PACE_MS_MAX));
}

#[test]
fn no_wait_is_longer_than_its_timer_whatever_the_clock_does() {
    let mut filling = BlockCutter::new(limits(), 1);
    for (number, now_ms) in [(1, 9_999), (2, 10_000), (3, 10_000)] {
        filling.push(number, 1, now_ms);
    }
    assert_eq!(filling.completed(10_000).len(), 1, "two transactions, and two milliseconds for the next");
    assert!(filling.completed(10_000).is_empty());
    filling.push(4, 1, 10_001);
    let mut in_flight = BlockCutter::new(limits(), 2);
    in_flight.push(1, 1, 9_999);
    in_flight.push(2, 1, 10_000);
    let rows = [
        ("a block's time to fill", &filling, 10_001, 1),
        ("it is over", &filling, 10_005, 0),
        ("the clock was set back", &filling, 0, PACE_MS_MAX),
        ("the timeout of the oldest", &in_flight, 10_003, 197),
        ("the clock was set back", &in_flight, 0, 200),
    ];
    for (name, cutter, now_ms, wait_ms) in rows {
        assert_eq!(cutter.wait_ms(now_ms), Some(wait_ms), "{name}: at {now_ms}");
    }
}

#[test]
fn dropped_envelopes_come_again_before_all_others() {
    let mut cutter = BlockCutter::new(limits(), 1);
    assert_eq!(cutter.push(1, 1, 0).len(), 1);
    cutter.push(3, 1, 0);
    cutter.requeue(vec![(1, 1), (2, 1)], 0, false);
    let batches = cutter.completed(1);
    assert_eq!(batches, [Batch { items: vec![1, 2, 3], bytes: 3 }]);
    cutter.push(5, 1, 1);
    cutter.requeue(vec![(4, 1)], 1, true);
    assert_eq!(cutter.completed(2), [Batch { items: vec![4], bytes: 1 }], "alone as before");
    cutter.drain();
    assert_eq!(cutter.waiting_bytes(), 0);
}

#[test]
fn a_drained_cutter_still_knows_what_is_in_flight() {
    let mut cutter = BlockCutter::new(limits(), 1);
    cutter.push(1, 1, 0);
    cutter.push(2, 5, 0);
    assert_eq!(cutter.drain(), [2]);
    assert!(cutter.is_empty());
    assert_eq!((cutter.in_flight(), cutter.waiting_bytes()), (1, 0));
    assert!(cutter.push(3, 1, 0).is_empty());
    assert_eq!(cutter.completed(0).len(), 1);
}

fn events() -> impl Strategy<Value = Vec<(u8, usize, u64)>> {
    proptest::collection::vec((0_u8..6, 1_usize..=100, 0_u64..120), 0..200)
}

proptest! {
    #[test]
    fn batches_hold_every_envelope_once_in_order_and_keep_the_limits(
        in_flight_max in 1_usize..4,
        history in events(),
    ) {
        let limits = limits();
        let mut cutter = BlockCutter::new(limits.clone(), in_flight_max);
        let (mut now_ms, mut pushed, mut cut, mut alone) = (0, Vec::new(), Vec::new(), Vec::new());
        for (kind, bytes, passed) in history {
            now_ms += passed;
            let batches = match kind {
                0..3 => {
                    pushed.push((pushed.len(), bytes));
                    cutter.push((pushed.len() - 1, bytes), bytes, now_ms)
                }
                3 => {
                    pushed.push((pushed.len(), bytes));
                    alone.push(pushed.len() - 1);
                    cutter.push_alone((pushed.len() - 1, bytes), bytes, now_ms)
                }
                4 => cutter.tick(now_ms),
                _ => cutter.completed(now_ms),
            };
            for batch in batches {
                let bytes: usize = batch.items.iter().map(|(_, bytes)| bytes).sum();
                prop_assert!(!batch.items.is_empty());
                prop_assert_eq!(batch.bytes, bytes as u64);
                prop_assert!(batch.items.len() <= limits.max_message_count as usize);
                prop_assert!(bytes <= limits.absolute_max_bytes as usize);
                let has_one = batch.items.iter().any(|(number, _)| alone.contains(number));
                prop_assert!(!has_one || batch.items.len() == 1, "it stands alone");
                prop_assert!(batch.items.len() == 1 || bytes <= limits.preferred_max_bytes as usize);
                cut.extend(batch.items);
            }
            prop_assert!(cutter.in_flight() <= in_flight_max);
            let soon = now_ms + 1..=now_ms + PACE_MS_MAX;
            let goes_soon = cutter.deadline_ms().is_some_and(|due| soon.contains(&due));
            prop_assert!(
                cutter.in_flight() > 0 || cutter.is_empty() || goes_soon,
                "while nothing is in flight, what waits has a timer of some milliseconds"
            );
        }
        let mut rest = cutter.drain();
        cut.append(&mut rest);
        prop_assert_eq!(cut, pushed);
    }

    /// One block is in consensus at a time; some are dropped there and come again, and limits change on the way.
    #[test]
    fn what_consensus_accepts_is_what_arrived_in_order_whatever_it_drops(history in events()) {
        let mut limits = limits();
        let mut cutter = BlockCutter::new(limits.clone(), 1);
        let (mut pushed, mut accepted, mut in_consensus) = (Vec::new(), Vec::new(), None);
        for (step, (kind, bytes, _)) in (0_u64..).zip(history) {
            let batches = match (kind, in_consensus.take()) {
                (0, Some(Batch { items, .. })) => {
                    cutter.requeue(items.into_iter().map(|item: (usize, usize)| (item, item.1)).collect(), step, false);
                    cutter.completed(step)
                }
                (1, Some(Batch { items, .. })) => {
                    accepted.extend(items);
                    cutter.completed(step)
                }
                (2, still) => {
                    limits.max_message_count = 1 + u32::try_from(bytes % 5).expect("small");
                    cutter.set_limits(limits.clone());
                    in_consensus = still;
                    Vec::new()
                }
                (_, still) => {
                    in_consensus = still;
                    pushed.push((pushed.len(), bytes));
                    cutter.push((pushed.len() - 1, bytes), bytes, step)
                }
            };
            prop_assert!(batches.len() <= 1 && (batches.is_empty() || in_consensus.is_none()));
            for batch in batches {
                prop_assert!(batch.items.len() <= limits.max_message_count as usize);
                prop_assert!(batch.items.len() == 1 || batch.bytes <= u64::from(limits.preferred_max_bytes));
                in_consensus = Some(batch);
            }
            let waiting = pushed.len() - accepted.len() - in_consensus.as_ref().map_or(0, |batch| batch.items.len());
            prop_assert_eq!(cutter.len(), waiting);
        }
        accepted.extend(in_consensus.into_iter().flat_map(|batch| batch.items));
        accepted.extend(cutter.drain());
        prop_assert_eq!(accepted, pushed);
    }

    #[test]
    fn no_envelope_waits_beyond_its_timeout_while_there_is_room(arrivals in proptest::collection::vec(0_u64..150, 1..40)) {
        let mut cutter = BlockCutter::new(limits(), usize::MAX);
        let mut now_ms = 0;
        cutter.push(0, 1, now_ms);
        for (number, passed) in arrivals.into_iter().enumerate() {
            while let Some(due) = cutter.deadline_ms().filter(|due| *due <= now_ms + passed) {
                prop_assert!(!cutter.tick(due).is_empty(), "a tick at the deadline cuts");
            }
            now_ms += passed;
            cutter.push(number + 1, 1, now_ms);
        }
    }
}
