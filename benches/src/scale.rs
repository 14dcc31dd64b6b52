//! A simulation of several services on one PostgreSQL: what turns, the way to
//! the server and folding each other's events leave of the rate. `docs/scaling.md` says
//! where its numbers come from, and what it leaves out.

use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::error::Error;
use std::io::Write;

/// Units of one batch, as in the store.
const BATCH_UNITS: usize = 256;
/// How long a node keeps its turn, and how long with nothing to append (µs), as in the store: among others, and
/// where nobody else writes.
const AMONG_OTHERS: (f64, f64) = (5e3, 0.0);
const UNDISTURBED: (f64, f64) = (20e3, 2e3);
/// A turn that is older goes on with the append that leaves nothing waiting (µs).
const GOES_ON_AFTER: f64 = 700.0;
/// Simulated time, µs; the first fifth is not counted.
const LASTS: f64 = 10e6;
/// A rate counts as carried up to this p99, µs.
const PATIENCE: f64 = 100e3;
/// Steps of the search for the highest rate carried.
const STEPS: usize = 12;

/// What a deployment looks like, times in µs.
#[derive(Clone, Copy)]
struct Deployment {
    nodes: usize,
    /// Processors of a node.
    cores: usize,
    /// There and back between a node and the database.
    way: f64,
    /// The database's sync at a commit.
    sync: f64,
    costs: Costs,
}

/// What things take, measured on one machine; µs.
#[derive(Clone, Copy)]
struct Costs {
    /// A create at the node that answers it.
    answer: f64,
    /// An event at every node: index and views.
    fold: f64,
    /// An event of others in one's own turn: read and put into the index.
    news: f64,
    /// The database's own work for a batch, and for each of its events.
    batch: f64,
    event: f64,
}

#[derive(Clone, Copy, PartialEq)]
enum What {
    Arrives,
    /// A request is ready to be committed.
    Prepared {
        node: usize,
        asked: f64,
    },
    /// A node's wish for the turn is at the server.
    Asks {
        node: usize,
    },
    /// A batch has landed.
    Landed {
        node: usize,
        events: usize,
    },
    /// A node hears of it.
    Hears {
        node: usize,
    },
    /// It has waited for units, since so many batches.
    Waited {
        node: usize,
        batches: u64,
    },
    /// The turn is free again.
    Released,
}

#[derive(Clone, Copy, PartialEq)]
struct Event {
    at: f64,
    /// Orders what happens at the same time.
    number: u64,
    what: What,
}

impl Eq for Event {}

impl Ord for Event {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        other.at.total_cmp(&self.at).then(other.number.cmp(&self.number))
    }
}

impl PartialOrd for Event {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

#[derive(Default)]
struct Node {
    /// When each processor is free.
    free_at: Vec<f64>,
    waiting: VecDeque<f64>,
    batch: Vec<f64>,
    state: State,
    /// When its turn began.
    since: f64,
    batches: u64,
    /// Whether its turn goes on to the next with the append that is under way.
    goes_on: bool,
    /// Events it has folded before it wrote its own.
    seen: u64,
}

/// What a node does about its turn.
#[derive(Clone, Copy, Default, PartialEq)]
enum State {
    #[default]
    Without,
    Asking,
    Appending,
    /// It has its turn, and nothing to append.
    Resting,
}

impl Node {
    /// Has work done by whichever processor is free first; answers when it is done.
    fn work(&mut self, now: f64, takes: f64) -> f64 {
        let Some(first) = self.free_at.iter_mut().min_by(|a, b| a.total_cmp(b)) else { return now };
        *first = first.max(now) + takes;
        *first
    }
}

struct Run {
    of: Deployment,
    /// Mean time between two requests.
    pause: f64,
    random: u64,
    events: BinaryHeap<Event>,
    number: u64,
    nodes: Vec<Node>,
    next_node: usize,
    /// Nodes that wait for the turn, and whether somebody has it.
    queue: VecDeque<usize>,
    held: bool,
    /// Events in the log.
    head: u64,
    took: Vec<f64>,
    batches: u64,
    /// Events of the last batch.
    last_batch: u64,
    turn_began: f64,
    had: f64,
}

/// What a run came to.
struct Figures {
    per_second: f64,
    p50: f64,
    p99: f64,
    batch: f64,
    /// Share of the time that somebody had the turn.
    had: f64,
}

impl Run {
    fn new(of: Deployment, rate: f64) -> Self {
        let node = || Node { free_at: vec![0.0; of.cores], ..Node::default() };
        let mut run = Self {
            of,
            pause: 1e6 / rate,
            random: 0x9e37_79b9_7f4a_7c15,
            events: BinaryHeap::new(),
            number: 0,
            nodes: (0..of.nodes).map(|_| node()).collect(),
            next_node: 0,
            queue: VecDeque::new(),
            held: false,
            head: 0,
            took: vec![],
            batches: 0,
            last_batch: 0,
            turn_began: 0.0,
            had: 0.0,
        };
        run.at(0.0, What::Arrives);
        run
    }

    fn at(&mut self, at: f64, what: What) {
        self.number += 1;
        self.events.push(Event { at, number: self.number, what });
    }

    /// Uniform in (0, 1]: xorshift64*, the same in every run.
    fn draw(&mut self) -> f64 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        let bits = self.random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11;
        (bits + 1) as f64 / (1u64 << 53) as f64
    }

    fn go(mut self) -> Figures {
        while let Some(Event { at, what, .. }) = self.events.pop().filter(|event| event.at < LASTS) {
            match what {
                What::Arrives => {
                    let node = self.next_node;
                    self.next_node = (node + 1) % self.nodes.len();
                    let ready = self.nodes[node].work(at, self.of.costs.answer);
                    self.at(ready, What::Prepared { node, asked: at });
                    let pause = -self.draw().ln() * self.pause;
                    self.at(at + pause, What::Arrives);
                }
                What::Prepared { node, asked } => {
                    self.nodes[node].waiting.push_back(asked);
                    match self.nodes[node].state {
                        State::Without => self.ask(node, at),
                        State::Resting => self.append(node, at),
                        State::Asking | State::Appending => {}
                    }
                }
                What::Asks { node } => {
                    self.queue.push_back(node);
                    self.grant(at);
                }
                What::Landed { node, events } => self.landed(node, events, at),
                What::Hears { node } => self.hears(node, at),
                What::Waited { node, batches } => {
                    if self.nodes[node].state == State::Resting && self.nodes[node].batches == batches {
                        self.release(node, at);
                    }
                }
                What::Released => self.free(at),
            }
        }
        self.figures()
    }

    fn ask(&mut self, node: usize, at: f64) {
        self.nodes[node].state = State::Asking;
        self.at(at + self.of.way / 2.0, What::Asks { node });
    }

    /// Whoever waits longest has the turn: the answer goes to it with what came last (the rest was
    /// followed during the wait), and is folded before its first batch.
    fn grant(&mut self, at: f64) {
        if self.held {
            return;
        }
        let Some(node) = self.queue.pop_front() else { return };
        self.held = true;
        self.turn_began = at;
        let one = &mut self.nodes[node];
        let missed = (self.head - one.seen).min(self.last_batch);
        one.since = at;
        let begins = at + self.of.way / 2.0 + self.of.costs.news * missed as f64;
        self.append(node, begins);
    }

    /// All that waits, in one message.
    fn append(&mut self, node: usize, at: f64) {
        let (one, of) = (&mut self.nodes[node], self.of);
        let units = one.waiting.len().min(BATCH_UNITS);
        one.batch = one.waiting.drain(..units).collect();
        one.state = State::Appending;
        one.batches += 1;
        let after = if one.waiting.is_empty() { GOES_ON_AFTER } else { AMONG_OTHERS.0 };
        one.goes_on = of.nodes > 1 && at - one.since >= after;
        let events = one.batch.len();
        let takes = of.way / 2.0 + of.costs.batch + of.costs.event * events as f64 + of.sync;
        self.at(at + takes, What::Landed { node, events });
    }

    fn landed(&mut self, node: usize, events: usize, at: f64) {
        self.head += events as u64;
        self.nodes[node].seen = self.head;
        self.batches += 1;
        self.last_batch = events as u64;
        for other in &mut self.nodes {
            other.work(at, self.of.costs.fold * events as f64);
        }
        self.at(at + self.of.way / 2.0, What::Hears { node });
        if self.nodes[node].goes_on {
            self.free(at);
        }
    }

    fn free(&mut self, at: f64) {
        self.had += at - self.turn_began;
        self.held = false;
        self.grant(at);
    }

    /// It goes on while its turn lasts, or waits a moment for what may come.
    fn hears(&mut self, node: usize, at: f64) {
        let counted = at > LASTS / 5.0;
        let batch = std::mem::take(&mut self.nodes[node].batch);
        self.took.extend(batch.into_iter().filter(|_| counted).map(|asked| at - asked));
        let (appending, idle) = if self.of.nodes > 1 { AMONG_OTHERS } else { UNDISTURBED };
        if self.nodes[node].goes_on {
            return self.without(node, at);
        }
        let one = &mut self.nodes[node];
        let left = one.since + appending - at;
        if left <= 0.0 {
            self.release(node, at);
        } else if one.waiting.is_empty() {
            one.state = State::Resting;
            let batches = one.batches;
            self.at(at + left.min(idle), What::Waited { node, batches });
        } else {
            self.append(node, at);
        }
    }

    fn release(&mut self, node: usize, at: f64) {
        self.at(at + self.of.way / 2.0, What::Released);
        self.without(node, at);
    }

    fn without(&mut self, node: usize, at: f64) {
        self.nodes[node].state = State::Without;
        if !self.nodes[node].waiting.is_empty() {
            self.ask(node, at);
        }
    }

    fn figures(mut self) -> Figures {
        self.took.sort_by(f64::total_cmp);
        let at = |share: usize| self.took.get(self.took.len() * share / 100).copied().unwrap_or(f64::INFINITY);
        Figures {
            per_second: self.took.len() as f64 / (LASTS * 0.8 / 1e6),
            p50: at(50),
            p99: at(99),
            batch: self.head as f64 / self.batches.max(1) as f64,
            had: self.had / LASTS,
        }
    }
}

/// The highest rate carried, found by halving.
fn most(of: Deployment) -> f64 {
    let (mut low, mut high) = (100.0, 200_000.0);
    for _ in 0..STEPS {
        let rate = (low + high) / 2.0;
        let figures = Run::new(of, rate).go();
        if figures.p99 < PATIENCE && figures.per_second > rate * 0.98 { low = rate } else { high = rate }
    }
    low
}

pub fn print(settings: &[&str]) -> Result<(), Box<dyn Error>> {
    let given: HashMap<&str, &str> = settings.iter().filter_map(|s| s.split_once('=')).collect();
    let number = |name: &str, default: f64| given.get(name).map_or(Ok(default), |v| v.parse());
    let costs = Costs {
        answer: number("answer", 95.0)?,
        fold: number("fold", 25.0)?,
        news: number("news", 17.0)?,
        batch: number("batch", 250.0)?,
        event: number("event", 27.0)?,
    };
    let mut out = std::io::stdout();
    writeln!(
        out,
        "| nodes | cores each | way µs | sync µs | most a second | at 70 % of it: p50 ms | p99 ms | events a batch | turn had |"
    )?;
    writeln!(out, "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")?;
    let cores = number("cores", 4.0)? as usize;
    for (way, sync) in [(100.0, 200.0), (300.0, 1_000.0), (1_000.0, 1_000.0), (1_000.0, 5_000.0)] {
        for nodes in [1, 3, 8] {
            let of = Deployment { nodes, cores, way, sync, costs };
            let most = most(of);
            let at = Run::new(of, most * 0.7).go();
            let (p50, p99, had) = (at.p50 / 1e3, at.p99 / 1e3, at.had * 100.0);
            writeln!(
                out,
                "| {nodes} | {cores} | {way:.0} | {sync:.0} | {most:.0} | {p50:.1} | {p99:.1} | {:.0} | {had:.0} % |",
                at.batch
            )?;
        }
    }
    Ok(())
}
