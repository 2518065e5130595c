//! `file:///dir`: a store in a directory, one file a key. The embedded default: no server, many processes.
//!
//! The directory is made by the first write; one that is missing reads as empty. It needs a file system that
//! tells upper from lower case. Writes last once they return: files and directories are synced.

mod files;
mod names;

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Instant;

use futures::stream::{self, Stream, StreamExt, TryStreamExt};

use self::files::Files;
use super::memory::unix_ms;
use super::{BoxFuture, Capabilities, OnValue, Payload, ServerInfo, Store};
use crate::error::{Error, Result};
use crate::runtime::{Context, runtime};

/// Files that one call reads or writes at the same time.
const FILES_AT_ONCE: usize = 8;
/// How often [`Store::ping`] looks at the directory.
const PINGS: usize = 3;

/// Keys and values in the files of a directory. Handles in one or in several processes may share it.
#[derive(Debug)]
pub(crate) struct DirStore {
    url: String,
    files: Arc<Files>,
}

/// Tells the writes that still run that nobody waits for them any more.
struct AbandonOnDrop(Arc<AtomicBool>);

impl Drop for AbandonOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

impl DirStore {
    /// Opens `file:///dir`, without touching the directory.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` when the URL names no absolute path on this computer.
    pub(crate) fn open(url: &str) -> Result<Self> {
        let files = Files::new(names::directory_of(url)?);
        Ok(DirStore { url: url.trim_end_matches('/').to_string(), files: Arc::new(files) })
    }

    /// Runs one blocking piece of work off the I/O threads.
    async fn once<T: Send + 'static>(&self, work: impl FnOnce(&Files) -> Result<T> + Send + 'static) -> Result<T> {
        let files = self.files.clone();
        runtime()?.blocking(move || work(&files)).await
    }

    /// Runs blocking work for every item, several at a time, and yields the results as they come.
    fn each<I, T, W>(&self, items: Vec<I>, work: W) -> impl Stream<Item = Result<T>> + use<'_, I, T, W>
    where
        I: Send + 'static,
        T: Send + 'static,
        W: Fn(&Files, I) -> Result<T> + Clone + Send + 'static,
    {
        let start = move |item| {
            let work = work.clone();
            self.once(move |files| work(files, item))
        };
        stream::iter(items).map(start).buffer_unordered(FILES_AT_ONCE)
    }
}

impl Store for DirStore {
    fn describe(&self) -> &str {
        &self.url
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { expiry: false, shared: true, max_value_bytes: None }
    }

    fn get_many<'a>(
        &'a self,
        keys: &'a [String],
        _ctx: &'a Context,
        on_value: OnValue<'a>,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let keys = keys.iter().cloned().enumerate().collect();
            let mut values = self.each(keys, |files, (index, key): (usize, String)| Ok((index, files.get(&key)?)));
            while let Some((index, value)) = values.try_next().await? {
                on_value(index, value);
            }
            Ok(())
        })
    }

    fn get_ranges<'a>(
        &'a self,
        ranges: &'a [(String, Range<u64>)],
        _ctx: &'a Context,
        on_value: OnValue<'a>,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            // Neighbouring ranges of one key are read from one open file, hence from one version of the value.
            let mut groups: Vec<(usize, String, Vec<Range<u64>>)> = Vec::new();
            for group in ranges.chunk_by(|a, b| a.0 == b.0) {
                let first = groups.last().map_or(0, |(first, _, ranges)| first + ranges.len());
                groups.push((first, group[0].0.clone(), group.iter().map(|(_, range)| range.clone()).collect()));
            }
            let mut groups =
                self.each(groups, |files, (first, key, ranges)| Ok((first, files.get_ranges(&key, &ranges)?)));
            while let Some((first, values)) = groups.try_next().await? {
                for (offset, value) in values.into_iter().enumerate() {
                    on_value(first + offset, value);
                }
            }
            Ok(())
        })
    }

    fn sizes<'a>(&'a self, keys: &'a [String], _ctx: &'a Context) -> BoxFuture<'a, Result<Vec<Option<u64>>>> {
        let keys = keys.to_vec();
        Box::pin(self.once(move |files| keys.iter().map(|key| files.size(key)).collect()))
    }

    fn put_many<'a>(&'a self, entries: &'a [(String, Payload)], _ctx: &'a Context) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let abandon = AbandonOnDrop(Arc::new(AtomicBool::new(false)));
            let abandoned = abandon.0.clone();
            let put = move |files: &Files, (key, parts): (String, Payload)| files.put(&key, &parts, &abandoned);
            let mut directories: Vec<_> = self.each(entries.to_vec(), put).try_collect().await?;
            directories.sort_unstable();
            directories.dedup();
            self.once(move |_| directories.iter().try_for_each(|directory| files::sync_directory(directory))).await
        })
    }

    fn put_if_absent<'a>(&'a self, key: &'a str, value: Payload, _ctx: &'a Context) -> BoxFuture<'a, Result<bool>> {
        let key = key.to_string();
        Box::pin(self.once(move |files| files.put_if_absent(&key, &value)))
    }

    fn replace_if<'a>(
        &'a self,
        key: &'a str,
        expected: &'a [u8],
        new: Option<Payload>,
        _ctx: &'a Context,
    ) -> BoxFuture<'a, Result<bool>> {
        let (key, expected) = (key.to_string(), expected.to_vec());
        Box::pin(self.once(move |files| files.replace_if(&key, &expected, new.as_deref())))
    }

    fn delete<'a>(&'a self, keys: &'a [String], _ctx: &'a Context) -> BoxFuture<'a, Result<u64>> {
        let keys = keys.to_vec();
        Box::pin(self.once(move |files| files.delete(&keys)))
    }

    fn list<'a>(&'a self, prefix: &'a str, suffix: &'a str, _ctx: &'a Context) -> BoxFuture<'a, Result<Vec<String>>> {
        let (prefix, suffix) = (prefix.to_string(), suffix.to_string());
        Box::pin(self.once(move |files| files.list(&prefix, &suffix)))
    }

    fn expire_at<'a>(&'a self, _keys: &'a [String], _unix_ms: u64, _ctx: &'a Context) -> BoxFuture<'a, Result<u64>> {
        let error = Error::unsupported(format!(
            "{} is a directory, and files do not expire: leave out the time to live, and delete what is not needed",
            self.url
        ));
        Box::pin(std::future::ready(Err(error)))
    }

    fn now_ms<'a>(&'a self, _ctx: &'a Context) -> BoxFuture<'a, Result<u64>> {
        Box::pin(std::future::ready(Ok(unix_ms())))
    }

    fn nodes_of<'a>(&'a self, keys: &'a [String], _ctx: &'a Context) -> BoxFuture<'a, Result<Vec<String>>> {
        Box::pin(std::future::ready(Ok(vec![self.url.clone(); keys.len()])))
    }

    fn set_credentials(&self, _user: Option<&str>, _password: &str) -> Result<()> {
        Err(super::no_credentials(self))
    }

    fn ping<'a>(&'a self, _ctx: &'a Context) -> BoxFuture<'a, Result<ServerInfo>> {
        Box::pin(self.once(|files| {
            let look = |_| {
                let start = Instant::now();
                files.check_directory().map(|()| start.elapsed())
            };
            let latencies = (0..PINGS).map(look).collect::<Result<_>>()?;
            Ok(ServerInfo { server: "directory".to_string(), latencies, ..ServerInfo::default() })
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use arrow::buffer::Buffer;

    use super::super::{StoreExt, StoreOptions, conformance};
    use super::*;
    use crate::ErrorKind;

    /// Tells the test's own child process which store to work on.
    const CHILD: &str = "ARROWREDIS_TEST_COUNTER_STORE";
    const INCREMENTS: u64 = 25;

    fn url(directory: &tempfile::TempDir) -> String {
        format!("file://{}/", directory.path().display())
    }

    #[test]
    fn it_is_a_store() {
        let directory = tempfile::tempdir().unwrap();
        conformance::check(super::super::open(&url(&directory), &StoreOptions::default()).unwrap());
    }

    /// Adds to a counter by compare and set; the value carries who wrote it, so that each is unique.
    async fn count_up(store: Arc<DirStore>, who: String) -> Result<()> {
        let ctx = Context::new();
        for step in 0..INCREMENTS {
            loop {
                let current = store.get("counter", &ctx).await?.ok_or_else(|| Error::not_found("no counter"))?;
                let text = String::from_utf8_lossy(&current).into_owned();
                let count: u64 = text.split(' ').next().and_then(|count| count.parse().ok()).unwrap();
                let new = vec![Buffer::from(format!("{} {who} {step}", count + 1).as_bytes())];
                if store.replace_if("counter", &current, Some(new), &ctx).await? {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Two handles of this process count at the same time.
    fn count_with_two_handles(url: &str, who: &str) {
        let counters: Vec<_> = ["a", "b"]
            .map(|handle| {
                let (store, who) = (Arc::new(DirStore::open(url).unwrap()), format!("{who}-{handle}"));
                std::thread::spawn(move || Context::new().block_on(count_up(store, who)))
            })
            .into();
        for counter in counters {
            counter.join().unwrap().unwrap();
        }
    }

    #[test]
    fn handles_and_processes_share_a_counter_by_compare_and_set() {
        if let Ok(url) = std::env::var(CHILD) {
            return count_with_two_handles(&url, &std::process::id().to_string());
        }
        let directory = tempfile::tempdir().unwrap();
        let store = Arc::new(DirStore::open(&url(&directory)).unwrap());
        let counter = store.clone();
        assert!(
            Context::new()
                .block_on(async move {
                    counter.put_if_absent("counter", vec![Buffer::from(b"0 nobody")], &Context::new()).await
                })
                .unwrap()
        );
        let name = "store::dir::tests::handles_and_processes_share_a_counter_by_compare_and_set";
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name])
            .env(CHILD, url(&directory))
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        count_with_two_handles(&url(&directory), "parent");
        assert!(child.wait().unwrap().success());
        let last =
            Context::new().block_on(async move { store.get("counter", &Context::new()).await }).unwrap().unwrap();
        let expected = format!("{} ", 4 * INCREMENTS);
        assert!(last.starts_with(expected.as_bytes()), "{:?}", String::from_utf8_lossy(&last));
    }

    #[test]
    fn errors_name_the_store_and_the_way_out() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        std::fs::write(&file, b"").unwrap();
        let store = Arc::new(DirStore::open(&format!("file://{}", file.display())).unwrap());
        assert_eq!(store.describe(), format!("file://{}", file.display()));
        let pinged = store.clone();
        let error = Context::new().block_on(async move { pinged.ping(&Context::new()).await }).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.message().contains("name a directory"), "{error}");
        let error = Context::new()
            .block_on(async move { store.expire_at(&["key".to_string()], 0, &Context::new()).await })
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.message().contains("do not expire"), "{error}");
    }
}
