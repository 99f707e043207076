//! The instruction sets, and the proof that the running CPU has one.

use std::sync::OnceLock;

use crate::integer::CodeWidth;

/// Which instruction set a kernel runs on. Private: only [`Isa`] hands it out, after the CPU test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "aarch64")]
    Neon,
}

/// An instruction set that the running CPU is known to have.
///
/// The field is private, so a value can only come from a constructor that tested the CPU: holding
/// one is the proof that the calls into `#[target_feature]` functions rely on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Isa(Level);

/// The environment variable that forces an instruction set.
pub const ISA_VARIABLE: &str = "ISOMORPH_ISA";

impl Isa {
    /// Plain Rust, on every CPU: the reference that every other set is tested against.
    #[must_use]
    pub const fn portable() -> Self {
        Self(Level::Portable)
    }

    /// AVX2 with FMA, if this CPU has both.
    #[must_use]
    pub fn avx2() -> Option<Self> {
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma")
        {
            return Some(Self(Level::Avx2));
        }
        None
    }

    /// AVX-512 with VNNI, for integer tiles and late interaction; everything else is done by AVX2.
    #[must_use]
    pub fn avx512() -> Option<Self> {
        #[cfg(target_arch = "x86_64")]
        if Self::avx2().is_some()
            && std::arch::is_x86_feature_detected!("avx512f")
            && std::arch::is_x86_feature_detected!("avx512bw")
            && std::arch::is_x86_feature_detected!("avx512vnni")
        {
            return Some(Self(Level::Avx512));
        }
        None
    }

    /// NEON with the dot product instructions, for integer tiles; everything else is plain Rust,
    /// which the compiler turns into NEON.
    #[must_use]
    pub fn neon() -> Option<Self> {
        #[cfg(target_arch = "aarch64")]
        if std::arch::is_aarch64_feature_detected!("dotprod") {
            return Some(Self(Level::Neon));
        }
        None
    }

    /// Every instruction set that this CPU has, the slowest first.
    #[must_use]
    pub fn available() -> Vec<Self> {
        let sets = [Some(Self::portable()), Self::avx2(), Self::avx512(), Self::neon()];
        sets.into_iter().flatten().collect()
    }

    /// The set used by default: the fastest one, unless `ISOMORPH_ISA` names another.
    ///
    /// Chosen once per process.
    ///
    /// # Errors
    /// When the variable names a set that does not exist or that this CPU lacks.
    pub fn chosen() -> Result<Self, String> {
        static CHOSEN: OnceLock<Result<Isa, String>> = OnceLock::new();
        CHOSEN
            .get_or_init(|| match std::env::var(ISA_VARIABLE) {
                Ok(name) if !name.is_empty() => Self::named(&name),
                _ => Ok(Self::available().pop().unwrap_or(Self::portable())),
            })
            .clone()
    }

    /// The set of that name.
    ///
    /// # Errors
    /// When there is no such set, or this CPU lacks it.
    pub fn named(name: &str) -> Result<Self, String> {
        let available = Self::available();
        available.iter().copied().find(|isa| isa.name() == name).ok_or_else(|| {
            let names: Vec<_> = available.iter().map(|isa| isa.name()).collect();
            format!(
                "{ISA_VARIABLE}: expected an instruction set of this CPU ({}), got {name:?}",
                names.join(", ")
            )
        })
    }

    /// Its name, as `ISOMORPH_ISA` spells it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self.0 {
            Level::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => "avx512",
            #[cfg(target_arch = "aarch64")]
            Level::Neon => "neon",
        }
    }

    /// Whether integer tiles are faster than those of the computing type.
    #[must_use]
    pub fn has_fast_codes(self) -> bool {
        self.0 != Level::Portable
    }

    /// The widest codes of its integer tiles; the portable ones take all, and gain nothing by them.
    #[must_use]
    pub const fn code_width(self) -> CodeWidth {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => CodeWidth::Eight,
            _ => CodeWidth::Seven,
        }
    }

    pub(crate) const fn level(self) -> Level {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn portable_is_always_available_and_first() {
        assert_eq!(Isa::available()[0], Isa::portable());
    }

    #[test]
    fn names_round_trip_and_unknown_names_are_refused() {
        for isa in Isa::available() {
            assert_eq!(Isa::named(isa.name()), Ok(isa));
        }
        let message = Isa::named("mmx").unwrap_err();
        assert!(message.contains("ISOMORPH_ISA") && message.contains("mmx"), "{message}");
    }
}
