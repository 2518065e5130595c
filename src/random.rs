//! Random numbers whose output is fixed for ever: the same seed gives the same bytes on every machine.
//!
//! Only algorithms with a published definition are used, and no function of the C library, whose last bits
//! differ between machines: ChaCha8 makes independent seeds, xoshiro256++ makes the numbers, Lemire's method
//! bounds integers without bias, and a ziggurat makes normals.

use std::sync::LazyLock;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

/// Makes the random streams of one purpose, each independent of all others.
pub(crate) struct Streams(ChaCha8Rng);

impl Streams {
    /// The streams of `purpose` (a batch number, say) under a user's seed.
    pub(crate) fn new(seed: u64, purpose: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        let mut seeds = ChaCha8Rng::from_seed(key);
        seeds.set_stream(purpose);
        Streams(seeds)
    }

    /// The next stream.
    pub(crate) fn stream(&mut self) -> Stream {
        let mut seed = [0; 32];
        self.0.fill_bytes(&mut seed);
        Stream(Xoshiro256PlusPlus::from_seed(seed))
    }
}

/// A fast sequence of random numbers.
pub(crate) struct Stream(Xoshiro256PlusPlus);

impl Stream {
    /// 64 random bits.
    #[inline]
    pub(crate) fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Uniform in `[0, bound)`; the bound is not zero.
    #[inline]
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        loop {
            let product = u128::from(self.bits()) * u128::from(bound);
            // The remainder is only computed in the rare case that the draw could be one of those too many.
            if (product as u64) >= bound || (product as u64) >= bound.wrapping_neg() % bound {
                return (product >> 64) as u64;
            }
        }
    }

    /// Fills a slice with integers uniform in `[low, low + span)`, two for each 64 bits; the span is not zero.
    #[inline]
    pub(crate) fn fill_i32(&mut self, low: i32, span: u32, out: &mut [i32]) {
        let surplus = span.wrapping_neg() % span;
        let (pairs, rest) = out.as_chunks_mut::<2>();
        for pair in pairs {
            let bits = self.bits();
            *pair = [bits as u32, (bits >> 32) as u32].map(|bits| self.bounded(bits, span, surplus, low));
        }
        for value in rest {
            let bits = self.bits() as u32;
            *value = self.bounded(bits, span, surplus, low);
        }
    }

    #[inline]
    fn bounded(&mut self, bits: u32, span: u32, surplus: u32, low: i32) -> i32 {
        let mut product = u64::from(bits) * u64::from(span);
        while (product as u32) < surplus {
            product = u64::from(self.bits() as u32) * u64::from(span);
        }
        low.wrapping_add((product >> 32) as i32)
    }

    /// Fills a slice with standard normals.
    #[inline]
    pub(crate) fn fill_normal<T>(&mut self, out: &mut [T], from: impl Fn(f64) -> T) {
        let ziggurat = &*ZIGGURAT;
        for value in out {
            *value = from(ziggurat.sample(self));
        }
    }

    /// Uniform in `(0, 1]`.
    fn unit(&mut self) -> f64 {
        ((self.bits() >> 11) + 1) as f64 * (1.0 / (1u64 << 53) as f64)
    }
}

const LAYERS: usize = 256;
/// Where the tail of the normal density begins, for 256 layers.
const TAIL: f64 = 3.654152885361009;
/// The integers that scale to a layer's width are below this in magnitude.
const STEPS: f64 = (1u64 << 52) as f64;

static ZIGGURAT: LazyLock<Ziggurat> = LazyLock::new(Ziggurat::new);

/// The ziggurat of Marsaglia and Tsang (2000) for `exp(-x^2/2)`, in 256 layers of equal area; layer 0 is the base
/// with the tail. Layer and position come from different bits of one number, as Doornik (2005) advises.
struct Ziggurat {
    /// A position with a magnitude below this is inside the density without looking further.
    inside: [u64; LAYERS],
    /// The width of one step of a layer.
    step: [f64; LAYERS],
    /// The density at a layer's right edge, and that of the one above it.
    density: [f64; LAYERS + 1],
}

impl Ziggurat {
    fn new() -> Self {
        let density = |x: f64| libm::exp(-0.5 * x * x);
        let tail_area = libm::sqrt(std::f64::consts::FRAC_PI_2) * libm::erfc(TAIL * std::f64::consts::FRAC_1_SQRT_2);
        let area = TAIL * density(TAIL) + tail_area;
        let mut edge = [0.0; LAYERS + 1];
        edge[0] = area / density(TAIL);
        edge[1] = TAIL;
        for i in 2..LAYERS {
            edge[i] = libm::sqrt(-2.0 * libm::log(area / edge[i - 1] + density(edge[i - 1])));
        }
        Ziggurat {
            inside: std::array::from_fn(|i| (edge[i + 1] / edge[i] * STEPS) as u64),
            step: std::array::from_fn(|i| edge[i] / STEPS),
            density: edge.map(density),
        }
    }

    #[inline]
    fn sample(&self, stream: &mut Stream) -> f64 {
        loop {
            let bits = stream.bits();
            let layer = (bits & 0xff) as usize;
            let position = (bits as i64) >> 11;
            let x = position as f64 * self.step[layer];
            if position.unsigned_abs() < self.inside[layer] || self.accept(layer, x, stream) {
                return x;
            }
            if layer == 0 {
                return Self::tail(stream).copysign(x);
            }
        }
    }

    /// Whether a point at the sloping end of a layer lies under the density.
    #[cold]
    fn accept(&self, layer: usize, x: f64, stream: &mut Stream) -> bool {
        let (low, high) = (self.density[layer], self.density[layer + 1]);
        layer > 0 && low + (high - low) * stream.unit() < libm::exp(-0.5 * x * x)
    }

    /// A normal beyond [`TAIL`] (Marsaglia 1964).
    #[cold]
    fn tail(stream: &mut Stream) -> f64 {
        loop {
            let beyond = -libm::log(stream.unit()) / TAIL;
            if -2.0 * libm::log(stream.unit()) > beyond * beyond {
                return TAIL + beyond;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(purpose: u64) -> Stream {
        Streams::new(123, purpose).stream()
    }

    #[test]
    fn streams_are_fixed_and_differ_by_seed_purpose_and_order() {
        let mut first = Streams::new(123, 0);
        let mut seen = vec![first.stream().bits(), first.stream().bits()];
        seen.extend([Streams::new(123, 1).stream().bits(), Streams::new(124, 0).stream().bits()]);
        assert_eq!(seen, [4000328381073649989, 16580520683818474143, 12099303301665667639, 15649888326618943949]);
    }

    #[test]
    fn bounded_integers_are_uniform() {
        let mut stream = stream(1);
        for span in [1u32, 2, 3, 6, 1000] {
            let mut counts = vec![0u32; span as usize];
            let mut drawn = vec![0; 1_000_001];
            stream.fill_i32(-7, span, &mut drawn);
            drawn.iter().for_each(|value| counts[(value + 7) as usize] += 1);
            assert_chi_squared(&counts);

            let mut counts = vec![0u32; span as usize];
            (0..1_000_000).for_each(|_| counts[stream.below(u64::from(span)) as usize] += 1);
            assert_chi_squared(&counts);
        }
    }

    /// The statistic stays within six standard deviations of its mean.
    fn assert_chi_squared(counts: &[u32]) {
        let freedom = (counts.len() - 1) as f64;
        let expected = counts.iter().map(|c| f64::from(*c)).sum::<f64>() / counts.len() as f64;
        let statistic: f64 = counts.iter().map(|c| (f64::from(*c) - expected).powi(2) / expected).sum();
        assert!((statistic - freedom).abs() <= 6.0 * (2.0 * freedom).sqrt(), "{statistic} for {freedom}");
    }

    #[test]
    fn spans_that_divide_badly_are_uniform_too() {
        // Without rejection, a span of three quarters of the range would favour every third value.
        let mut stream = stream(2);
        let span = 3u32 << 30;
        let mut drawn = vec![0; 300_000];
        stream.fill_i32(0, span, &mut drawn);
        let mut thirds = [0u32; 3];
        drawn.iter().for_each(|value| thirds[(*value as u32 % 3) as usize] += 1);
        assert_chi_squared(&thirds);
        let mut thirds = [0u32; 3];
        (0..300_000).for_each(|_| thirds[(stream.below(3 << 62) % 3) as usize] += 1);
        assert_chi_squared(&thirds);
    }

    #[test]
    fn normals_follow_the_normal_distribution() {
        let mut drawn = vec![0.0; 2_000_000];
        stream(3).fill_normal(&mut drawn, |x| x);
        let n = drawn.len() as f64;
        drawn.sort_unstable_by(f64::total_cmp);
        // Kolmogorov and Smirnov: 1.95 / sqrt(n) is exceeded by chance once in a thousand times.
        let distance = drawn.iter().enumerate().fold(0.0f64, |worst, (i, x)| {
            let cumulative = 0.5 * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2);
            worst.max((cumulative - i as f64 / n).abs()).max((cumulative - (i + 1) as f64 / n).abs())
        });
        assert!(distance * n.sqrt() < 1.95, "{distance}");
        let moment = |power: i32| drawn.iter().map(|x| x.powi(power)).sum::<f64>() / n;
        for (power, expected, variance) in [(1, 0.0, 1.0), (2, 1.0, 2.0), (3, 0.0, 15.0), (4, 3.0, 96.0)] {
            let found = moment(power);
            assert!((found - expected).abs() < 4.0 * f64::sqrt(variance / n), "moment {power} is {found}");
        }
        let beyond = drawn.iter().filter(|x| x.abs() > TAIL).count() as f64;
        let expected = n * libm::erfc(TAIL * std::f64::consts::FRAC_1_SQRT_2);
        assert!((beyond - expected).abs() < 4.0 * expected.sqrt(), "{beyond} in the tail, expected {expected}");
    }

    #[test]
    fn the_layers_close_at_the_top() {
        let ziggurat = Ziggurat::new();
        assert!(ziggurat.density.is_sorted());
        assert_eq!(ziggurat.density[LAYERS], 1.0);
        // Every layer above the base has the area of the base.
        let area = |i: usize| ziggurat.step[i] * STEPS * (ziggurat.density[i + 1] - ziggurat.density[i]);
        for layer in 1..LAYERS {
            assert!((area(layer) / area(1) - 1.0).abs() < 1e-9, "layer {layer}");
        }
    }
}
