//! Holds back every packet of a netfilter queue for a fixed time: what `tc netem delay` does, for kernels without netem.
//!
//! `delay_packets QUEUE MILLISECONDS`, in the network namespace whose rule feeds the queue. Ends when it is killed.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use nfq::{Message, Queue, Verdict};

/// Packets that may wait; the kernel drops what is beyond.
const WAITING_MAX: u32 = 100_000;
/// The queue is looked at so often: an error of a delay of this much is none.
const LOOK: Duration = Duration::from_millis(1);

fn main() -> Result<()> {
    let mut numbers = std::env::args().skip(1);
    let queue: u16 = numbers.next().context("QUEUE is missing")?.parse().context("QUEUE")?;
    let millis: u64 = numbers.next().context("MILLISECONDS is missing")?.parse().context("MILLISECONDS")?;
    hold(queue, Duration::from_millis(millis))
}

fn hold(number: u16, delay: Duration) -> Result<()> {
    let mut queue = Queue::open().context("netfilter has no queues here")?;
    queue.bind(number).with_context(|| format!("queue {number} cannot be had"))?;
    queue.set_queue_max_len(number, WAITING_MAX)?;
    // The packets stay in the kernel, unsplit; their first bytes are enough to pass a verdict.
    queue.set_recv_gso(number, true)?;
    queue.set_copy_range(number, 64)?;
    queue.set_nonblocking(true);
    let mut waiting: VecDeque<(Instant, Message)> = VecDeque::new();
    loop {
        match queue.recv() {
            Ok(message) => waiting.push_back((Instant::now() + delay, message)),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => std::thread::sleep(LOOK),
            Err(error) => return Err(error).context("the queue is lost"),
        }
        let now = Instant::now();
        while let Some((_, mut message)) = waiting.pop_front_if(|(due, _)| *due <= now) {
            message.set_verdict(Verdict::Accept);
            queue.verdict(message)?;
        }
    }
}
