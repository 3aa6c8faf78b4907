//! What a body may be, as tables are written of it: types, members and limits. `check.rs` walks them.

/// What a value may be.
pub(super) enum Shape {
    /// Any JSON value.
    Any,
    /// Any JSON object.
    Object,
    Flag,
    Integer {
        min: u64,
    },
    Decimal {
        min: f64,
        max: f64,
    },
    /// A string with its length limits in characters.
    Text {
        min: usize,
        max: usize,
        pattern: Option<&'static Pattern>,
    },
    Choice(&'static [&'static str]),
    /// Base64 of at least one byte, or of nothing where empty blobs pass.
    Blob {
        min: usize,
    },
    List {
        item: &'static Shape,
        min: usize,
        max: usize,
    },
    Map {
        key: &'static Shape,
        value: &'static Shape,
        max: usize,
    },
    Structure(&'static [Member]),
    /// An object with exactly one of these members.
    Union(&'static [Member]),
}

/// A member of a structure or union.
pub(super) struct Member {
    pub(super) name: &'static str,
    pub(super) shape: &'static Shape,
    pub(super) required: bool,
}

/// A regular expression of the service model, with a function that decides the same.
pub(super) struct Pattern {
    pub(super) text: &'static str,
    pub(super) matches: fn(&str) -> bool,
}

pub(super) const fn optional(name: &'static str, shape: &'static Shape) -> Member {
    Member {
        name,
        shape,
        required: false,
    }
}

pub(super) const fn required(name: &'static str, shape: &'static Shape) -> Member {
    Member {
        name,
        shape,
        required: true,
    }
}

pub(super) const fn list(item: &'static Shape) -> Shape {
    Shape::List {
        item,
        min: 0,
        max: usize::MAX,
    }
}

pub(super) const fn text(min: usize, max: usize) -> Shape {
    Shape::Text {
        min,
        max,
        pattern: None,
    }
}

/// A list that is not empty.
pub(super) const fn some(item: &'static Shape) -> Shape {
    Shape::List {
        item,
        min: 1,
        max: usize::MAX,
    }
}

pub(super) const TEXT: Shape = text(0, usize::MAX);
pub(super) const NON_EMPTY: Shape = text(1, usize::MAX);
pub(super) const TEXTS: Shape = list(&TEXT);
pub(super) const ANY: Shape = Shape::Any;
pub(super) const OBJECT: Shape = Shape::Object;
pub(super) const OBJECTS: Shape = list(&OBJECT);
pub(super) const FLAG: Shape = Shape::Flag;
pub(super) const BLOB: Shape = Shape::Blob { min: 1 };
pub(super) const COUNT: Shape = Shape::Integer { min: 1 };
pub(super) const FROM_ZERO: Shape = Shape::Integer { min: 0 };
pub(super) const RATIO: Shape = Shape::Decimal { min: 0.0, max: 1.0 };
pub(super) const WARMTH: Shape = Shape::Decimal { min: 0.0, max: 2.0 };
pub(super) const PENALTY: Shape = Shape::Decimal {
    min: -2.0,
    max: 2.0,
};
pub(super) const NUMBER: Shape = Shape::Decimal {
    min: 0.0,
    max: f64::MAX,
};
