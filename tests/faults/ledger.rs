//! The log as an operator exports it, and what holds for every log: positions,
//! tenants' numbers and stream versions without gaps, times that never go back.

use crate::server::Server;
use crate::wire::Request;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use uuid::Uuid;

/// One exported event.
#[derive(Clone, Debug, Deserialize)]
pub struct Line {
    pub position: u64,
    pub tenant: String,
    pub tseq: u64,
    pub stream: String,
    pub version: u64,
    #[serde(rename = "type")]
    pub kind: String,
    pub at: String,
    pub payload: Value,
}

impl Line {
    pub fn is(&self, aggregate: &str, kind: &str) -> bool {
        self.kind == kind && self.stream.split('-').next() == Some(aggregate)
    }

    /// The aggregate's own id.
    pub fn aggregate(&self) -> Uuid {
        self.stream.rsplit('/').next().and_then(|id| id.parse().ok()).unwrap_or_default()
    }

    pub fn uuid(&self, member: &str) -> Option<Uuid> {
        self.payload[member].as_str().and_then(|id| id.parse().ok())
    }
}

/// How far the log was read and found whole.
#[derive(Clone, Debug, Default)]
pub struct Read {
    pub position: u64,
    at: String,
    tseq: BTreeMap<String, u64>,
    versions: BTreeMap<String, u64>,
}

impl Read {
    /// Reads on to the head; every fault of order is told.
    pub fn on(&mut self, server: &Server) -> Result<Vec<Line>, String> {
        let target = format!("/api/ledger/log/export?every_tenant=true&personal=true&after={}", self.position);
        let answer = server.call(Request::new("GET", &target))?;
        if answer.status != 200 {
            return Err(format!("the log could not be exported: {} {}", answer.status, answer.text()));
        }
        let lines: Vec<Line> = answer
            .text()
            .lines()
            .map(|line| serde_json::from_str(line).map_err(|fault| format!("{fault} in {line}")))
            .collect::<Result<_, _>>()?;
        lines.iter().try_for_each(|line| self.follow(line))?;
        Ok(lines)
    }

    fn follow(&mut self, line: &Line) -> Result<(), String> {
        let gap = |what: &str, wanted: u64, found: u64| {
            Err(format!("position {}: {what} is {found}, but {wanted} comes next", line.position))
        };
        self.position += 1;
        if line.position != self.position {
            return gap("the position", self.position, line.position);
        }
        let tseq = self.tseq.entry(line.tenant.clone()).or_default();
        *tseq += 1;
        if line.tseq != *tseq {
            return gap("the tenant's number", *tseq, line.tseq);
        }
        let version = self.versions.entry(line.stream.clone()).or_default();
        *version += 1;
        if line.version != *version {
            return gap("the stream's version", *version, line.version);
        }
        if line.at < self.at {
            return Err(format!("position {}: time went back from {} to {}", line.position, self.at, line.at));
        }
        self.at.clone_from(&line.at);
        Ok(())
    }
}
