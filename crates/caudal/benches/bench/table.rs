//! What was measured, for people and for programs.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Value, json};

/// What a figure is meant to be.
#[derive(Clone, Copy)]
pub(crate) enum Aim {
    /// At least this.
    Least(f64),
    /// At most this.
    Most(f64),
    /// The figure is at most this, whatever the floor.
    MostAlone(f64),
    /// Nothing in particular: it tells what can be had.
    None,
}

/// One figure.
pub(crate) struct Row {
    pub(crate) name: String,
    /// The figure, and what it counts.
    pub(crate) figure: (f64, &'static str),
    /// What it is held against, in the same unit, and what that is.
    pub(crate) floor: Option<(f64, &'static str)>,
    /// For the ratio of the two where there is a floor and the aim does not say otherwise, else for the figure.
    pub(crate) aim: Aim,
    /// What an invoice cost each process meanwhile, in microseconds of processor time; empty where nobody looked.
    pub(crate) costs: Vec<(&'static str, f64)>,
}

impl Row {
    fn judged(&self) -> f64 {
        self.floor.map_or(self.figure.0, |(floor, _)| self.figure.0 / floor)
    }

    pub(crate) fn is_met(&self) -> bool {
        match self.aim {
            Aim::Least(least) => self.judged() >= least,
            Aim::Most(most) => self.judged() <= most,
            Aim::MostAlone(most) => self.figure.0 <= most,
            Aim::None => true,
        }
    }

    pub(crate) fn json(&self) -> Value {
        let (aim, bound) = match self.aim {
            Aim::Least(least) => ("at_least", Some(least)),
            Aim::Most(most) => ("at_most", Some(most)),
            Aim::MostAlone(most) => ("figure_at_most", Some(most)),
            Aim::None => ("none", None),
        };
        json!({
            "name": self.name, "figure": self.figure.0, "unit": self.figure.1,
            "floor": self.floor.map(|floor| floor.0), "floor_is": self.floor.map(|floor| floor.1),
            "judged": self.judged(), "aim": aim, "bound": bound, "met": self.is_met(),
            "processor_us": self.costs.iter().copied().collect::<BTreeMap<_, _>>(),
        })
    }
}

impl fmt::Display for Row {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (figure, unit) = self.figure;
        write!(formatter, "{:<52}{:>11} {unit:<14}", self.name, short(figure))?;
        match self.floor {
            Some((floor, what)) => write!(formatter, "{:>11}  {what:<30}{:>6.2}", short(floor), self.judged())?,
            None => write!(formatter, "{:>11}  {:<30}{:>6}", "", "", "")?,
        }
        let verdict = if self.is_met() { "met" } else { "MISSED" };
        match self.aim {
            Aim::Least(least) => write!(formatter, "  >= {:<9} {verdict}", short(least))?,
            Aim::Most(most) | Aim::MostAlone(most) => write!(formatter, "  <= {:<9} {verdict}", short(most))?,
            Aim::None => write!(formatter, "  {:<12} none", "")?,
        }
        self.costs.iter().try_for_each(|(name, micros)| write!(formatter, "; {name} {micros:.1} us"))
    }
}

fn short(number: f64) -> String {
    match number {
        small if small.fract() != 0.0 && small < 100.0 => format!("{small:.2}"),
        large => format!("{large:.0}"),
    }
}

/// The middle one.
pub(crate) fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples.get(samples.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The one that a hundredth of them exceed.
pub(crate) fn p99(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples.get(samples.len() * 99 / 100).copied().unwrap_or(f64::NAN)
}
