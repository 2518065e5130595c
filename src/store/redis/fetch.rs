//! Whole values, handed over as they arrive; large ones may come in parts.

use std::sync::atomic::Ordering::Relaxed;

use super::batch::Batch;
use super::connection::Shape;
use super::errors::{is_command_refused, server_error, unexpected};
use super::resp::Reply;
use super::retry::Attempts;
use super::server::Server;
use crate::error::Result;
use crate::store::OnValue;
use crate::tuning::Parts;

impl Server {
    /// Fetches values with one MGET (or GET). When the connection breaks, only those that had not arrived are
    /// asked for again.
    pub(super) async fn fetch(
        &self,
        keys: &[String],
        attempts: &mut Attempts<'_>,
        on_value: OnValue<'_>,
    ) -> Result<()> {
        let mut delivered = 0;
        while delivered < keys.len() {
            let pending = &keys[delivered..];
            let (batch, shape) = request(pending);
            let first = delivered;
            let mut refused = None;
            let outcome = self
                .exchange(&[batch], shape, attempts, &mut |index, reply| {
                    let value = match reply {
                        Reply::Bulk(value) => Some(value),
                        Reply::Nil => None,
                        Reply::Error(text) => {
                            refused = Some(server_error(&text, self.place(), &describe(pending)));
                            return;
                        }
                        _ => {
                            refused = Some(unexpected(self.place(), &describe(pending)));
                            return;
                        }
                    };
                    on_value(first + index, value);
                    delivered = first + index + 1;
                })
                .await;
            match (refused, outcome) {
                (Some(error), _) => attempts.again(error).await?,
                (None, Err(failure)) => attempts.again(failure.into_error(self.place(), &describe(pending))).await?,
                (None, Ok(())) => attempts.succeeded(),
            }
        }
        Ok(())
    }

    /// Fetches a value of so many bytes in parts, over one connection. Tells whether that worked: if not, the value
    /// is another one, or the server does not serve parts of it, and asking for the whole of it will tell.
    pub(super) async fn fetch_in_parts(
        &self,
        key: &str,
        bytes: usize,
        in_parts: Parts,
        attempts: &mut Attempts<'_>,
        on_value: OnValue<'_>,
    ) -> Result<bool> {
        if self.refuses_parts.load(Relaxed) {
            return Ok(false);
        }
        let mut found = None;
        let shape = Shape::Parts { bytes, at_once: in_parts.at_once };
        let outcome = self
            .exchange(&parts(key, bytes, in_parts.count), shape, attempts, &mut |_, reply| match reply {
                Reply::Bulk(value) => found = Some(value),
                Reply::Error(text) if is_command_refused(&text) => self.refuses_parts.store(true, Relaxed),
                _ => {}
            })
            .await;
        outcome.map_err(|failure| failure.into_error(self.place(), &format!("GETRANGE '{key}'")))?;
        let worked = found.is_some();
        if worked {
            on_value(0, found);
        }
        Ok(worked)
    }
}

/// One GETRANGE for each part. The last one reaches further than the value should, and so tells whether it is longer.
fn parts(key: &str, bytes: usize, count: usize) -> Vec<Batch> {
    let each = bytes.div_ceil(count.max(1)).max(1);
    let part = |start: usize| {
        let end = if bytes - start <= each { bytes } else { start + each - 1 };
        let mut batch = Batch::default();
        batch.command(&[b"GETRANGE", key.as_bytes(), start.to_string().as_bytes(), end.to_string().as_bytes()]);
        batch
    };
    (0..bytes).step_by(each).map(part).collect()
}

pub(super) fn request(keys: &[String]) -> (Batch, Shape) {
    let mut batch = Batch::default();
    if let [key] = keys {
        batch.command(&[b"GET", key.as_bytes()]);
        return (batch, Shape::Replies);
    }
    batch.start(keys.len() + 1);
    batch.argument(b"MGET");
    for key in keys {
        batch.argument(key.as_bytes());
    }
    (batch, Shape::Elements(keys.len()))
}

pub(super) fn describe(keys: &[String]) -> String {
    match keys {
        [key] => format!("GET '{key}'"),
        [first, ..] => format!("MGET of {} keys from '{first}'", keys.len()),
        [] => "MGET".to_string(),
    }
}
