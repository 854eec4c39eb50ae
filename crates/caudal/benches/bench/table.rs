//! What was measured, for people and for programs.

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
        }
    }

    pub(crate) fn json(&self) -> Value {
        let (aim, bound) = match self.aim {
            Aim::Least(least) => ("at_least", least),
            Aim::Most(most) => ("at_most", most),
            Aim::MostAlone(most) => ("figure_at_most", most),
        };
        json!({
            "name": self.name, "figure": self.figure.0, "unit": self.figure.1,
            "floor": self.floor.map(|floor| floor.0), "floor_is": self.floor.map(|floor| floor.1),
            "judged": self.judged(), "aim": aim, "bound": bound, "met": self.is_met(),
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
        let (sign, bound) = match self.aim {
            Aim::Least(least) => (">=", least),
            Aim::Most(most) | Aim::MostAlone(most) => ("<=", most),
        };
        let verdict = if self.is_met() { "met" } else { "MISSED" };
        write!(formatter, "  {sign} {:<9} {verdict}", short(bound))
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
