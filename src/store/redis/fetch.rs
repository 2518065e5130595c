//! Whole values, handed over as they arrive.

use super::batch::Batch;
use super::connection::Shape;
use super::errors::{server_error, unexpected};
use super::resp::Reply;
use super::retry::Attempts;
use super::server::Server;
use crate::error::Result;
use crate::store::OnValue;

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
                .exchange(&batch, shape, attempts, &mut |index, reply| {
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
