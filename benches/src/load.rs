//! A load over keep-alive connections: each sends a request, waits for the
//! whole answer, and sends the next.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Largest answer that is read, in bytes.
const MAX_ANSWER: usize = 1024 * 1024;

/// Makes the request of a number; numbers are never used twice. `None` when
/// there is nothing left to ask, which ends the load early.
pub type Make = Arc<dyn Fn(u64) -> Option<Vec<u8>> + Send + Sync>;

/// What a load came to.
pub struct Measured {
    /// As expected.
    pub answers: u64,
    pub per_second: f64,
    pub p50: Duration,
    pub p99: Duration,
    /// Answers whose status was not the one expected, and the first of them.
    pub others: u64,
    pub first_other: Option<String>,
    /// Whole answers as expected, if they were to be kept.
    pub kept: Vec<String>,
}

pub struct Load {
    /// Connections are spread over them in turn.
    pub addresses: Vec<String>,
    pub connections: usize,
    pub lasts: Duration,
    pub expect: u16,
    pub make: Make,
    /// Whether answers as expected are kept.
    pub keep: bool,
}

#[derive(Default)]
struct Tally {
    times: Vec<u32>,
    others: u64,
    first_other: Option<String>,
    kept: Vec<String>,
}

impl Load {
    /// Runs it; `numbers` is shared by loads that must not repeat a request.
    pub async fn run(&self, numbers: &Arc<AtomicU64>) -> Result<Measured, Box<dyn Error>> {
        let started = Instant::now();
        let until = started + self.lasts;
        let mut tasks = Vec::with_capacity(self.connections);
        for address in self.addresses.iter().cycle().take(self.connections) {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            let (make, numbers, expect) = (self.make.clone(), numbers.clone(), (self.expect, self.keep));
            tasks.push(tokio::spawn(async move {
                one(stream, make, numbers, (expect, until)).await.map_err(|e| e.to_string())
            }));
        }
        let mut all = Tally::default();
        for task in tasks {
            let tally = task.await??;
            all.times.extend(tally.times);
            all.others += tally.others;
            all.first_other = all.first_other.or(tally.first_other);
            all.kept.extend(tally.kept);
        }
        let took = started.elapsed().as_secs_f64();
        all.times.sort_unstable();
        let at = |share: usize| {
            Duration::from_micros(u64::from(all.times.get(all.times.len() * share / 100).copied().unwrap_or(0)))
        };
        let answers = all.times.len() as u64;
        let per_second = all.times.len() as f64 / took;
        let (p50, p99) = (at(50), at(99));
        let Tally { others, first_other, kept, .. } = all;
        Ok(Measured { answers, per_second, p50, p99, others, first_other, kept })
    }
}

async fn one(
    mut stream: TcpStream,
    make: Make,
    numbers: Arc<AtomicU64>,
    ((expect, keep), until): ((u16, bool), Instant),
) -> std::io::Result<Tally> {
    let mut tally = Tally::default();
    let mut buffer = Vec::with_capacity(16 * 1024);
    while Instant::now() < until {
        let Some(request) = make(numbers.fetch_add(1, Relaxed)) else { break };
        let asked = Instant::now();
        stream.write_all(&request).await?;
        let status = answer(&mut stream, &mut buffer).await?;
        let took = u32::try_from(asked.elapsed().as_micros()).unwrap_or(u32::MAX);
        if status == expect {
            tally.times.push(took);
            if keep {
                tally.kept.push(String::from_utf8_lossy(&buffer).into_owned());
            }
        } else {
            tally.others += 1;
            tally.first_other.get_or_insert_with(|| String::from_utf8_lossy(&buffer).into_owned());
        }
    }
    Ok(tally)
}

/// Reads one whole answer into the buffer; answers its status.
pub async fn answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> std::io::Result<u16> {
    buffer.clear();
    let broken = |what: &str| std::io::Error::other(what.to_owned());
    loop {
        if stream.read_buf(buffer).await? == 0 {
            return Err(broken("the server hung up"));
        }
        if buffer.len() > MAX_ANSWER {
            return Err(broken("an answer is too long"));
        }
        let Some(head) = buffer.windows(4).position(|w| w == b"\r\n\r\n") else { continue };
        let text = std::str::from_utf8(&buffer[..head]).map_err(|_| broken("a header is not text"))?;
        let status = text.get(9..12).and_then(|s| s.parse().ok()).ok_or_else(|| broken("an answer has no status"))?;
        let length = text.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
        });
        let whole = head + 4 + length.unwrap_or(0usize);
        while buffer.len() < whole {
            if stream.read_buf(buffer).await? == 0 {
                return Err(broken("the server hung up"));
            }
        }
        return Ok(status);
    }
}
