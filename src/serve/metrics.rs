//! `/metrics`: Prometheus' text format. Requests are counted as they are
//! answered; everything else is read from the rooms when asked.

use prometheus::{Encoder, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry, TextEncoder};
use std::fmt::Write;

/// Upper bounds of request times, in seconds.
const SECONDS: [f64; 12] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 10.0];

/// What requests leave behind.
#[derive(Clone)]
pub(crate) struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    seconds: HistogramVec,
    outbox: IntGaugeVec,
}

impl Metrics {
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let requests = IntCounterVec::new(
            Opts::new("invitation_ledger_requests_total", "answered requests by dialect, operation and status"),
            &["dialect", "operation", "status"],
        )?;
        let seconds = HistogramVec::new(
            HistogramOpts::new("invitation_ledger_request_seconds", "time from the request's header to its answer")
                .buckets(SECONDS.to_vec()),
            &["dialect", "operation"],
        )?;
        let outbox = IntGaugeVec::new(Opts::new("invitation_ledger_outbox", "mails by state"), &["state"])?;
        registry.register(Box::new(requests.clone()))?;
        registry.register(Box::new(seconds.clone()))?;
        registry.register(Box::new(outbox.clone()))?;
        Ok(Self { registry, requests, seconds, outbox })
    }

    pub fn answered(&self, dialect: &str, operation: &str, status: u16, seconds: f64) {
        self.requests.with_label_values(&[dialect, operation, &status.to_string()]).inc();
        self.seconds.with_label_values(&[dialect, operation]).observe(seconds);
    }

    pub fn set_outbox(&self, state: &str, count: u64) {
        self.outbox.with_label_values(&[state]).set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// The page, with the rooms' own figures behind it.
    pub fn page(&self, figures: &[Figure]) -> String {
        let mut bytes = Vec::new();
        // Into memory this fails only for inconsistent metrics, which the registry refused.
        if let Err(error) = TextEncoder::new().encode(&self.registry.gather(), &mut bytes) {
            tracing::error!(%error, "metrics could not be written");
        }
        let mut page = String::from_utf8_lossy(&bytes).into_owned();
        for Figure { name, kind, text, labels, value } in figures {
            if labels.is_empty() || !page.contains(&format!("# TYPE {name} ")) {
                let _ = writeln!(page, "# HELP {name} {text}\n# TYPE {name} {kind}");
            }
            let _ = writeln!(page, "{name}{labels} {value}");
        }
        page
    }
}

/// One sample that a room reports about itself.
pub(crate) struct Figure {
    pub name: &'static str,
    /// `counter` or `gauge`.
    pub kind: &'static str,
    pub text: &'static str,
    /// Empty, or `{name="value"}`.
    pub labels: String,
    pub value: u64,
}
