//! The blocking file operations behind the directory store.
//!
//! Beside the values, the directory holds `.arrowredis`, with the store's lock and the files that are being
//! written. A value is written there, synced, and renamed to its place, so that it appears whole or not at
//! all. The lock serves the writers only: whoever renames holds it shared, whoever compares or removes holds it
//! alone. It is a lock of the operating system, so it ends with the process that holds it.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, BufWriter, Write};
use std::ops::Range;
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::sleep;
use std::time::{Duration, Instant};

use arrow::buffer::Buffer;
use tempfile::NamedTempFile;

use super::names;
use crate::error::{Error, ErrorKind, Result};
use crate::memory::Memory;

/// Where the store keeps what is not a value. No key has this name, since the dots of keys are escaped.
const PRIVATE: &str = ".arrowredis";
const LOCK: &str = "lock";
const TEMPORARY: &str = "tmp-";
/// A file that was not written to for so long belongs to a writer that died.
const ORPHANED_AFTER: Duration = Duration::from_secs(3600);
/// The lock is held for single system calls: who cannot get it for so long waits for a process that hangs.
const LOCK_PATIENCE: Duration = Duration::from_secs(30);
/// Keys that are deleted under one lock, so that other writers get their turn.
const DELETED_AT_ONCE: usize = 64;
/// Parts of a payload that are smaller than this are written together.
const WRITE_BUFFER: usize = 64 << 10;

/// The files of one store.
#[derive(Debug)]
pub(super) struct Files {
    root: PathBuf,
    swept: AtomicBool,
}

/// What others may do with the lock meanwhile.
#[derive(Debug, Clone, Copy)]
enum Hold {
    Shared,
    Alone,
}

struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing is not enough: a child process that was forked meanwhile holds the same open file.
        let _ = self.0.unlock();
    }
}

impl Files {
    pub(super) fn new(root: PathBuf) -> Self {
        Files { root, swept: AtomicBool::new(false) }
    }

    /// Fails if the store's directory is there and cannot be used.
    pub(super) fn check_directory(&self) -> Result<()> {
        let is_directory = match fs::metadata(&self.root) {
            Ok(metadata) => metadata.is_dir(),
            Err(e) if e.kind() == io::ErrorKind::NotFound => true,
            Err(e) => return Err(failed("open", &self.root, &e)),
        };
        if is_directory { Ok(()) } else { Err(failed("open", &self.root, &io::ErrorKind::NotADirectory.into())) }
    }

    fn path(&self, key: &str) -> Result<PathBuf> {
        Ok(self.root.join(names::path_of(key)?))
    }

    /// The whole value of a key.
    pub(super) fn get(&self, key: &str) -> Result<Option<Buffer>> {
        let path = self.path(key)?;
        match open(&path)? {
            Some((file, size)) => read(&file, &path, 0..size).map(Some),
            None => Ok(None),
        }
    }

    /// Parts of a key's value, cut at its end; `None` for each if there is no such key.
    pub(super) fn get_ranges(&self, key: &str, ranges: &[Range<u64>]) -> Result<Vec<Option<Buffer>>> {
        let path = self.path(key)?;
        let Some((file, size)) = open(&path)? else { return Ok(vec![None; ranges.len()]) };
        let within = |range: &Range<u64>| range.start.min(size)..range.end.min(size);
        ranges.iter().map(|range| read(&file, &path, within(range)).map(Some)).collect()
    }

    /// The size of a key's value.
    pub(super) fn size(&self, key: &str) -> Result<Option<u64>> {
        let path = self.path(key)?;
        match fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_file() => Ok(Some(metadata.len())),
            Ok(_) => Err(not_a_value(&path)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(failed("read", &path, &e)),
        }
    }

    /// Writes a value and returns the directory that has to be synced for the name to last. Nothing becomes
    /// visible once `abandoned` is set.
    pub(super) fn put(&self, key: &str, parts: &[Buffer], abandoned: &AtomicBool) -> Result<PathBuf> {
        let path = self.path(key)?;
        let staged = self.stage(parts)?;
        let _lock = self.lock(Hold::Shared)?;
        let parent = self.make_parent(&path)?;
        if abandoned.load(Relaxed) {
            return Err(Error::cancelled(format!("writing {} was given up", path.display())));
        }
        staged.persist(&path).map_err(|e| failed("write", &path, &e.error))?;
        Ok(parent)
    }

    /// Writes a value unless there is one.
    pub(super) fn put_if_absent(&self, key: &str, value: &[Buffer]) -> Result<bool> {
        if self.size(key)?.is_some() {
            return Ok(false);
        }
        let path = self.path(key)?;
        let staged = self.stage(value)?;
        let _lock = self.lock(Hold::Shared)?;
        let parent = self.make_parent(&path)?;
        match staged.persist_noclobber(&path) {
            Ok(_) => sync_directory(&parent).map(|()| true),
            Err(e) if e.error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(e) => Err(failed("write", &path, &e.error)),
        }
    }

    /// Replaces a value, or removes it, if it is as expected.
    pub(super) fn replace_if(&self, key: &str, expected: &[u8], new: Option<&[Buffer]>) -> Result<bool> {
        if let Some(answer) = self.compare(key, expected, new)? {
            return Ok(answer);
        }
        let path = self.path(key)?;
        let staged = new.map(|parts| self.stage(parts)).transpose()?;
        let _lock = self.lock(Hold::Alone)?;
        if let Some(answer) = self.compare(key, expected, new)? {
            return Ok(answer);
        }
        let changed = match staged {
            Some(staged) => {
                staged.persist(&path).map_err(|e| failed("write", &path, &e.error))?;
                path.parent().map(Path::to_path_buf)
            }
            None => self.remove(&path)?,
        };
        sync_directory(changed.as_deref().unwrap_or(&self.root)).map(|()| true)
    }

    /// What the present value says about a replacement; `None` if it has to be made.
    fn compare(&self, key: &str, expected: &[u8], new: Option<&[Buffer]>) -> Result<Option<bool>> {
        let Some(current) = self.get(key)? else { return Ok(Some(false)) };
        if new.is_some_and(|parts| equals(&current, parts)) {
            return Ok(Some(true));
        }
        Ok(if current.as_slice() == expected { None } else { Some(false) })
    }

    /// Removes keys and says how many there were.
    pub(super) fn delete(&self, keys: &[String]) -> Result<u64> {
        let mut paths = Vec::new();
        for key in keys {
            let path = self.path(key)?;
            match fs::symlink_metadata(&path) {
                Ok(_) => paths.push(path),
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => return Err(failed("delete", &path, &e)),
            }
        }
        let mut deleted = 0;
        let mut changed = BTreeSet::new();
        for group in paths.chunks(DELETED_AT_ONCE) {
            let _lock = self.lock(Hold::Alone)?;
            for path in group {
                if let Some(parent) = self.remove(path)? {
                    deleted += 1;
                    changed.insert(parent);
                }
            }
        }
        for directory in changed {
            sync_directory(&directory)?;
        }
        self.sweep();
        Ok(deleted)
    }

    /// Removes a file and the directories of long keys that this leaves empty. Returns the directory that is
    /// changed and still there, or `None` if there was no such file. The caller holds the lock alone, so nobody
    /// is about to put a file into one of the empty directories.
    fn remove(&self, path: &Path) -> Result<Option<PathBuf>> {
        match fs::remove_file(path) {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(failed("delete", path, &e)),
        }
        let parents = path.ancestors().skip(1);
        let left = parents.take_while(|parent| *parent != self.root).find(|parent| fs::remove_dir(parent).is_err());
        Ok(Some(left.unwrap_or(&self.root).to_path_buf()))
    }

    /// All keys with a prefix and a suffix.
    pub(super) fn list(&self, prefix: &str, suffix: &str) -> Result<Vec<String>> {
        let mut keys = Vec::new();
        self.list_directory(&self.root, "", &names::encode(prefix), &mut keys)?;
        keys.retain(|key| key.starts_with(prefix) && key.ends_with(suffix));
        // A directory that changes while it is read may show a name twice.
        keys.sort_unstable();
        keys.dedup();
        Ok(keys)
    }

    /// Collects the keys in a directory whose own name stands for the beginning `encoded` of each.
    fn list_directory(&self, directory: &Path, encoded: &str, wanted: &str, keys: &mut Vec<String>) -> Result<()> {
        let unreadable = |e: io::Error| failed("list", directory, &e);
        let entries = match fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(unreadable(e)),
        };
        for entry in entries {
            let entry = entry.map_err(unreadable)?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let kind = match entry.file_type() {
                Ok(kind) => kind,
                Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                Err(e) => return Err(unreadable(e)),
            };
            if kind.is_file() && name.len() <= names::NAME_BYTES {
                keys.extend(names::decode(&format!("{encoded}{name}")));
            } else if kind.is_dir()
                && let Some(part) = names::continued(&name)
            {
                let deeper = format!("{encoded}{part}");
                if deeper.starts_with(wanted) || wanted.starts_with(&deeper) {
                    self.list_directory(&entry.path(), &deeper, wanted, keys)?;
                }
            }
        }
        Ok(())
    }

    /// Writes a value to a temporary file that vanishes unless it is renamed.
    fn stage(&self, parts: &[Buffer]) -> Result<NamedTempFile> {
        if !self.swept.swap(true, Relaxed) {
            self.sweep();
        }
        let staged = self.in_private(|private| {
            // The permissions of any other new file, which the umask cuts down.
            let permissions = Permissions::from_mode(0o666);
            tempfile::Builder::new().prefix(TEMPORARY).permissions(permissions).tempfile_in(private)
        })?;
        let write = || {
            let mut writer = BufWriter::with_capacity(WRITE_BUFFER, staged.as_file());
            parts.iter().try_for_each(|part| writer.write_all(part))?;
            writer.flush()?;
            staged.as_file().sync_all()
        };
        write().map_err(|e| failed("write", staged.path(), &e))?;
        Ok(staged)
    }

    fn lock(&self, hold: Hold) -> Result<Lock> {
        let open = |private: &Path| {
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(private.join(LOCK))
        };
        let file = self.in_private(open)?;
        let path = self.root.join(PRIVATE).join(LOCK);
        let deadline = Instant::now() + LOCK_PATIENCE;
        let mut pause = Duration::from_micros(100);
        loop {
            let attempt = match hold {
                Hold::Shared => file.try_lock_shared(),
                Hold::Alone => file.try_lock(),
            };
            match attempt {
                Ok(()) => return Ok(Lock(file)),
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                    sleep(pause);
                    pause = (pause * 2).min(Duration::from_millis(10));
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(Error::unavailable(format!(
                        "another process has held the lock {} for {} s: look for one that hangs",
                        path.display(),
                        LOCK_PATIENCE.as_secs()
                    )));
                }
                Err(TryLockError::Error(e)) => return Err(failed("lock", &path, &e)),
            }
        }
    }

    /// Does something in the private directory, which is made if it is not there.
    fn in_private<T>(&self, attempt: impl Fn(&Path) -> io::Result<T>) -> Result<T> {
        let private = self.root.join(PRIVATE);
        let result = match attempt(&private) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                make_directory(&private)?;
                attempt(&private)
            }
            result => result,
        };
        result.map_err(|e| failed("write to", &private, &e))
    }

    /// Makes the directories that a long key needs. The caller holds the lock, so that they stay.
    fn make_parent(&self, path: &Path) -> Result<PathBuf> {
        let parent = path.parent().unwrap_or(&self.root);
        if parent != self.root {
            make_directory(parent)?;
        }
        Ok(parent.to_path_buf())
    }

    /// Removes what writers that died have left, as far as that is possible: it harms nobody if it stays.
    fn sweep(&self) {
        let Ok(entries) = fs::read_dir(self.root.join(PRIVATE)) else { return };
        for entry in entries.flatten() {
            let modified = entry.metadata().and_then(|metadata| metadata.modified());
            let age = modified.ok().and_then(|modified| modified.elapsed().ok()).unwrap_or_default();
            if age > ORPHANED_AFTER && entry.file_name().to_string_lossy().starts_with(TEMPORARY) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

fn equals(value: &[u8], parts: &[Buffer]) -> bool {
    let mut rest = Some(value);
    for part in parts {
        rest = rest.and_then(|rest| rest.strip_prefix(part.as_slice()));
    }
    rest.is_some_and(<[u8]>::is_empty)
}

/// Opens a value's file and tells its size. Links are not followed, and a pipe does not make us wait.
fn open(path: &Path) -> Result<Option<(File, u64)>> {
    let opened = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path);
    let file = match opened {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) if matches!(e.raw_os_error(), Some(libc::ELOOP | libc::ENXIO)) => return Err(not_a_value(path)),
        Err(e) => return Err(failed("read", path, &e)),
    };
    let metadata = file.metadata().map_err(|e| failed("read", path, &e))?;
    if !metadata.is_file() {
        return Err(not_a_value(path));
    }
    Ok(Some((file, metadata.len())))
}

/// Reads a part of a file that lies within it.
fn read(file: &File, path: &Path, range: Range<u64>) -> Result<Buffer> {
    let size = range.end.saturating_sub(range.start);
    let too_large = |_| Error::resource_exhausted(format!("{} is too large: {size} bytes", path.display()));
    let mut memory = Memory::new(usize::try_from(size).map_err(too_large)?)
        .map_err(|e| e.context(format_args!("cannot read {}", path.display())))?;
    file.read_exact_at(memory.as_mut_slice(), range.start).map_err(|e| match e.kind() {
        io::ErrorKind::UnexpectedEof => Error::corrupt(format!(
            "{} became shorter while it was read: values are only ever replaced whole, so something else writes here",
            path.display()
        )),
        _ => failed("read", path, &e),
    })?;
    Ok(memory.freeze())
}

/// Makes a directory and those above it, so that they outlast a crash.
fn make_directory(directory: &Path) -> Result<()> {
    let parent = directory.parent().unwrap_or(Path::new("/"));
    let made = match fs::create_dir(directory) {
        Err(e) if e.kind() == io::ErrorKind::NotFound && parent != directory => {
            make_directory(parent)?;
            fs::create_dir(directory)
        }
        made => made,
    };
    match made {
        Ok(()) => sync_directory(parent),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(e) => Err(failed("make the directory", directory, &e)),
    }
}

/// Makes renames and removals in a directory last, where the file system can do so.
pub(super) fn sync_directory(directory: &Path) -> Result<()> {
    use io::ErrorKind::{InvalidInput, NotFound, PermissionDenied, Unsupported};
    match File::open(directory).and_then(|opened| opened.sync_all()) {
        // Some file systems cannot sync a directory, one that we may only write to cannot be opened, and one
        // that is gone again needs no sync.
        Err(e) if !matches!(e.kind(), InvalidInput | NotFound | PermissionDenied | Unsupported) => {
            Err(failed("sync", directory, &e))
        }
        _ => Ok(()),
    }
}

fn not_a_value(path: &Path) -> Error {
    Error::corrupt(format!(
        "{} is not a regular file: it does not come from this store and is not read; remove it",
        path.display()
    ))
}

/// The one place where the system's errors become ours.
fn failed(action: &str, path: &Path, error: &io::Error) -> Error {
    use io::ErrorKind as Io;
    let (kind, hint) = match error.kind() {
        Io::PermissionDenied => (ErrorKind::PermissionDenied, "check its owner and permissions"),
        Io::ReadOnlyFilesystem => (ErrorKind::PermissionDenied, "write to a store elsewhere"),
        Io::StorageFull => (ErrorKind::ResourceExhausted, "free some space, or use a store on another disk"),
        Io::QuotaExceeded => (ErrorKind::ResourceExhausted, "free some space, or have the quota raised"),
        Io::FileTooLarge => (ErrorKind::ResourceExhausted, "write smaller batches, or raise the file size limit"),
        Io::NotADirectory => (ErrorKind::InvalidArgument, "a part of this path is a file: name a directory"),
        Io::InvalidFilename => (ErrorKind::InvalidArgument, "use a shorter key, or a store with a shorter path"),
        Io::NotFound => (ErrorKind::Io, "a part of this path vanished: check that nothing else deletes it"),
        Io::StaleNetworkFileHandle => (ErrorKind::Io, "the file server has lost it: mount it again"),
        _ => match error.raw_os_error() {
            Some(libc::EMFILE | libc::ENFILE) => (ErrorKind::ResourceExhausted, "raise the limit on open files"),
            _ => (ErrorKind::Io, "check the disk and the system's log"),
        },
    };
    Error::new(kind, format!("cannot {action} {}: {error}: {hint}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    fn files() -> (tempfile::TempDir, Files) {
        let directory = tempfile::tempdir().unwrap();
        let files = Files::new(directory.path().join("store"));
        (directory, files)
    }

    fn put(files: &Files, key: &str, value: &[u8]) {
        files.put(key, &[Buffer::from(value)], &AtomicBool::new(false)).unwrap();
    }

    #[test]
    fn system_errors_say_what_to_try() {
        for (errno, kind, hint) in [
            (libc::EACCES, ErrorKind::PermissionDenied, "permissions"),
            (libc::EROFS, ErrorKind::PermissionDenied, "elsewhere"),
            (libc::ENOSPC, ErrorKind::ResourceExhausted, "another disk"),
            (libc::EDQUOT, ErrorKind::ResourceExhausted, "quota"),
            (libc::EFBIG, ErrorKind::ResourceExhausted, "smaller batches"),
            (libc::EMFILE, ErrorKind::ResourceExhausted, "open files"),
            (libc::ENOTDIR, ErrorKind::InvalidArgument, "name a directory"),
            (libc::ENAMETOOLONG, ErrorKind::InvalidArgument, "shorter"),
            (libc::EIO, ErrorKind::Io, "the disk"),
        ] {
            let error = failed("write", Path::new("/data/key"), &io::Error::from_raw_os_error(errno));
            assert_eq!(error.kind(), kind, "{error}");
            assert!(error.message().starts_with("cannot write /data/key: "), "{error}");
            assert!(error.message().contains(hint), "{error}");
        }
    }

    #[test]
    fn reading_and_deleting_nothing_make_no_directory() {
        let (_directory, files) = files();
        assert_eq!(files.get("a").unwrap(), None);
        assert_eq!(files.get_ranges("a", &[0..1, 2..3]).unwrap(), [None, None]);
        assert_eq!(files.size("a").unwrap(), None);
        assert_eq!(files.list("", "").unwrap(), Vec::<String>::new());
        assert_eq!(files.delete(&["a".to_string()]).unwrap(), 0);
        assert!(!files.replace_if("a", b"", Some(&[Buffer::from(b"b")])).unwrap());
        assert!(!files.root.exists());
        put(&files, "a", b"1");
        assert!(files.root.is_dir());
    }

    #[test]
    fn a_file_where_the_directory_should_be_is_reported() {
        let (_directory, files) = files();
        fs::write(&files.root, b"").unwrap();
        let (value, none) = (Buffer::from(b"1"), AtomicBool::new(false));
        for error in [
            files.get("a").unwrap_err(),
            files.size("a").unwrap_err(),
            files.list("", "").unwrap_err(),
            files.put("a", std::slice::from_ref(&value), &none).unwrap_err(),
            files.put_if_absent("a", std::slice::from_ref(&value)).unwrap_err(),
            files.delete(&["a".to_string()]).unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
            assert!(error.message().contains(files.root.to_str().unwrap()), "{error}");
        }
    }

    #[test]
    fn what_a_dead_writer_left_is_invisible_and_removed_in_time() {
        let (_directory, files) = files();
        put(&files, "a", b"1");
        let private = files.root.join(PRIVATE);
        let (old, fresh) = (private.join("tmp-old"), private.join("tmp-fresh"));
        fs::write(&old, b"half a val").unwrap();
        fs::write(&fresh, b"half a val").unwrap();
        let two_hours_ago = SystemTime::now() - 2 * ORPHANED_AFTER;
        File::options().write(true).open(&old).unwrap().set_modified(two_hours_ago).unwrap();
        assert_eq!(files.list("", "").unwrap(), ["a"]);

        put(&Files::new(files.root.to_path_buf()), "b", b"2");
        assert!(!old.exists(), "the first write of a new handle cleans up");
        assert!(fresh.exists(), "a file that may still be written stays");

        File::options().write(true).open(&fresh).unwrap().set_modified(two_hours_ago).unwrap();
        assert_eq!(files.delete(&["a".to_string()]).unwrap(), 1);
        assert!(!fresh.exists(), "and so does deleting");
    }

    #[test]
    fn an_abandoned_write_leaves_nothing() {
        let (_directory, files) = files();
        put(&files, "a", b"old");
        let error = files.put("a", &[Buffer::from(b"new")], &AtomicBool::new(true)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Cancelled);
        assert_eq!(files.get("a").unwrap(), Some(Buffer::from(b"old")));
        let left: Vec<_> = fs::read_dir(files.root.join(PRIVATE)).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(left, [LOCK]);
    }

    #[test]
    fn foreign_files_are_no_keys() {
        let (_directory, files) = files();
        put(&files, "real", b"1");
        let root = &files.root;
        for name in [".hidden", "notes.txt", "%41", "a+"] {
            fs::write(root.join(name), b"x").unwrap();
        }
        fs::create_dir(root.join("folder")).unwrap();
        fs::write(root.join("folder").join("inner"), b"x").unwrap();
        fs::create_dir(root.join("ab+")).unwrap();
        fs::write(root.join("ab+").join("c"), b"x").unwrap();
        fs::write(root.join("y".repeat(names::NAME_BYTES + 1)), b"x").unwrap();
        assert_eq!(files.list("", "").unwrap(), ["real"]);
    }

    #[test]
    fn links_and_pipes_are_not_read() {
        let (directory, files) = files();
        put(&files, "real", b"1");
        let secret = directory.path().join("secret");
        fs::write(&secret, b"secret").unwrap();
        std::os::unix::fs::symlink(&secret, files.root.join("link")).unwrap();
        let made = std::process::Command::new("mkfifo").arg(files.root.join("pipe")).status().unwrap();
        assert!(made.success());
        for key in ["link", "pipe"] {
            let get = files.get(key).unwrap_err();
            let error = files.get_ranges(key, std::slice::from_ref(&(0..1))).unwrap_err();
            let size = files.size(key).unwrap_err();
            for error in [get, error, size] {
                assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
                assert!(error.message().contains("not a regular file"), "{error}");
            }
        }
        assert_eq!(files.list("", "").unwrap(), ["real"]);
        put(&files, "link", b"2");
        assert_eq!(fs::read(&secret).unwrap(), b"secret", "a put replaces the link, not what it points to");
    }

    #[test]
    fn deleting_a_long_key_leaves_no_empty_directories() {
        let (_directory, files) = files();
        let (short, long) = ("k".repeat(names::NAME_BYTES * 2 + 1), "k".repeat(names::NAME_BYTES * 3 + 1));
        put(&files, &short, b"1");
        put(&files, &long, b"2");
        assert_eq!(files.delete(std::slice::from_ref(&long)).unwrap(), 1);
        assert_eq!(files.list("", "").unwrap(), std::slice::from_ref(&short));
        assert!(files.replace_if(&short, b"1", None).unwrap());
        let left: Vec<_> = fs::read_dir(&files.root).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(left, [PRIVATE]);
    }

    #[test]
    fn a_key_beyond_the_longest_path_is_refused() {
        let (_directory, files) = files();
        put(&files, "a", b"1");
        let error = files.put(&"x".repeat(5000), &[], &AtomicBool::new(false)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    }

    #[test]
    fn payloads_compare_by_their_bytes() {
        let parts = |texts: &[&str]| texts.iter().map(|text| Buffer::from(text.as_bytes())).collect::<Vec<_>>();
        assert!(equals(b"abc", &parts(&["a", "", "bc"])));
        assert!(equals(b"", &parts(&[])));
        assert!(!equals(b"abc", &parts(&["ab"])));
        assert!(!equals(b"ab", &parts(&["ab", "c"])));
    }
}
