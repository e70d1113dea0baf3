//! Which start of this machine this is.

use uuid::Uuid;

/// Which boot this is: proc(5), `/proc/sys/kernel/random/boot_id`. Where the kernel does not tell, one that is never met
/// again: what is held then counts as an earlier boot's at the next start.
#[must_use]
pub fn boot_id() -> Uuid {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    text.trim().parse().unwrap_or_else(|_| Uuid::new_v4())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_boot_has_one_name() {
        assert_eq!(boot_id(), boot_id());
    }
}
