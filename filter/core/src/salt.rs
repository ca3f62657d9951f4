//! Which set of a table holds a name? Nobody outside can tell: the choice is mixed with a number that one Envoy draws at its
//! start, so that nobody can aim at the sets in which another's rows are.

/// A number of one Envoy, drawn at random; all its VMs have the same one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Salt([u8; 16]);

impl Salt {
    /// Where it stands in the store that all VMs share: drawn by the first VM that needs it.
    pub const KEY: &str = "wicketgate.salt.v1";

    /// From random bytes.
    pub const fn new(random: [u8; 16]) -> Self {
        Self(random)
    }

    /// As it stands in the store; `None` while none is drawn.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// As it is to stand in the store.
    pub const fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Which of so many sets. A multiplication of both halves mixes every bit of the name with every bit of the salt.
    pub(crate) fn set_of(self, name: [u8; 16], sets: u16) -> u16 {
        let mixed = u128::from_be_bytes(name) ^ u128::from_be_bytes(self.0);
        let (high, low) = ((mixed >> 64) | 1, (mixed & u128::from(u64::MAX)) | 1);
        let product = (high * low).to_be_bytes();
        let folded = product.chunks_exact(2).fold(0_u16, |sum, pair| match pair {
            [a, b] => sum.rotate_left(3) ^ u16::from_be_bytes([*a, *b]),
            _ => sum,
        });
        folded % sets.max(1)
    }
}

impl std::fmt::Debug for Salt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Salt")
    }
}

#[cfg(test)]
mod tests {
    use super::Salt;

    #[test]
    fn another_salt_scatters_what_one_has_gathered() {
        let name = |n: u64| crate::rows::name(&[], &[&n.to_be_bytes()]);
        let (one, two) = (Salt::new([7; 16]), Salt::new([8; 16]));
        let gathered: Vec<_> =
            (0..400_000).map(name).filter(|n| one.set_of(*n, 4096) == 5).take(64).collect();
        assert_eq!(gathered.len(), 64);
        let sets: std::collections::HashSet<u16> = gathered.iter().map(|n| two.set_of(*n, 4096)).collect();
        assert!(sets.len() > 55, "{}", sets.len());
    }

    #[test]
    fn every_set_is_used_about_equally() {
        let mut rows = [0_u32; 64];
        for n in 0..64_000_u64 {
            rows[usize::from(Salt::new([3; 16]).set_of(crate::rows::name(&[], &[&n.to_be_bytes()]), 64))] +=
                1;
        }
        assert!(rows.iter().all(|n| (850..1150).contains(n)), "{rows:?}");
    }

    #[test]
    fn it_is_read_as_it_is_written_and_nothing_else_is() {
        let salt = Salt::new([9; 16]);
        assert_eq!(Salt::read(salt.bytes()), Some(salt));
        assert_eq!((Salt::read(&[]), Salt::read(&[9; 15])), (None, None));
        assert_eq!(format!("{salt:?}"), "Salt");
    }
}
