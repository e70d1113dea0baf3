//! Whether what is said goes to systemd's journal.

/// Whether standard error goes to the journal: systemd.exec(5), `$JOURNAL_STREAM`.
pub(super) fn is_journal() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else { return false };
    rustix::fs::fstat(std::io::stderr()).is_ok_and(|stat| format!("{}:{}", stat.st_dev, stat.st_ino) == stream)
}
