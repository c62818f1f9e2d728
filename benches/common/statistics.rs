//! The median, and how sure it is.

/// A median with its order-statistic interval.
///
/// The interval lies between the k-th smallest and the k-th largest value, with the largest k for
/// which a binomial(n, 1/2) gives it at least 95 % coverage. It supposes nothing about the
/// distribution but that the values are independent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Median {
    pub(crate) value: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

const COVERAGE_MIN: f64 = 0.95;

impl Median {
    /// Of at least one value.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        assert!(!values.is_empty());
        values.sort_by(f64::total_cmp);
        let (count, rank) = (values.len(), rank(values.len()));
        let value = (values[(count - 1) / 2] + values[count / 2]) / 2.0;
        Self { value, low: values[rank - 1], high: values[count - rank] }
    }
}

/// The coverage of the interval of `count` values: below 95 % only where there are fewer than six.
pub(crate) fn coverage(count: usize) -> f64 {
    1.0 - 2.0 * tail(count, rank(count))
}

fn rank(count: usize) -> usize {
    let sure = |rank: &usize| 1.0 - 2.0 * tail(count, *rank) >= COVERAGE_MIN;
    (1..=count / 2).take_while(sure).last().unwrap_or(1)
}

/// The chance that fewer than `rank` of `count` fair coins show heads.
fn tail(count: usize, rank: usize) -> f64 {
    let mut chance = 0.5_f64.powi(count as i32);
    let mut sum = 0.0;
    for heads in 0..rank {
        sum += chance;
        chance *= (count - heads) as f64 / (heads + 1) as f64;
    }
    sum
}
