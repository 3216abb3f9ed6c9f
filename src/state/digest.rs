//! A hash of State that is the same on every machine and with every release of Rust. The journal and the tests compare
//! States by it.

use std::hash::Hasher;

/// FNV-1a with 64 bits (draft-eastlake-fnv). std's own hasher may change between releases. A `Hasher` also takes
/// integers in the machine's byte order and size by default; here they are taken as little-endian, and sizes as 64
/// bits.
pub(super) struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

/// Returns a digest as journals and logs contain it.
#[cfg(any(feature = "journal", feature = "redis"))]
pub(crate) fn digest_text(digest: u64) -> String {
    format!("{digest:016x}")
}

macro_rules! write_little_endian {
    ($($method:ident: $number:ty,)*) => {
        $(fn $method(&mut self, number: $number) {
            self.write(&number.to_le_bytes());
        })*
    };
}

impl Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        }
    }

    write_little_endian! {
        write_u16: u16, write_u32: u32, write_u64: u64, write_u128: u128,
        write_i16: i16, write_i32: i32, write_i64: i64, write_i128: i128,
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }

    fn write_isize(&mut self, number: isize) {
        self.write_i64(number as i64);
    }
}

#[cfg(test)]
mod tests {
    use std::hash::Hash;

    use super::*;

    #[test]
    fn the_digest_is_fnv_1a() {
        let mut hasher = Fnv::default();
        hasher.write(b"foobar");
        assert_eq!(hasher.finish(), 0x8594_4171_f739_67e8, "from the draft's test vectors");
    }

    #[test]
    fn integers_and_sizes_hash_alike_on_all_machines() {
        let digest = |value: &dyn Fn(&mut Fnv)| {
            let mut hasher = Fnv::default();
            value(&mut hasher);
            hasher.finish()
        };
        let bytes = digest(&|hasher| hasher.write(&[2, 1, 0, 0, 0, 0, 0, 0]));
        assert_eq!(digest(&|hasher| 0x102_u64.hash(hasher)), bytes);
        assert_eq!(digest(&|hasher| 0x102_usize.hash(hasher)), bytes);
    }
}
