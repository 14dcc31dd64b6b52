//! One node: counts by child and slot, sorted, and their bytes.

/// Members below one child in one slot. Never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    pub child: u16,
    pub slot: u8,
    pub count: u32,
}

/// Cells by child, then slot. In a leaf the children are coordinates and all counts are 1.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Node {
    cells: Vec<Cell>,
}

const LEAF_CELL: usize = 2;
const INNER_CELL: usize = 7;

impl Node {
    /// `None` if the bytes are not a node's.
    pub(super) fn decode(level: u8, body: &[u8]) -> Option<Self> {
        let cells = if level == 0 {
            let (cells, rest) = body.as_chunks::<LEAF_CELL>();
            rest.is_empty().then(|| cells.iter().map(leaf_cell).collect())?
        } else {
            let (cells, rest) = body.as_chunks::<INNER_CELL>();
            rest.is_empty().then(|| cells.iter().map(inner_cell).collect())?
        };
        Some(Self { cells })
    }

    pub(super) fn encode(&self, level: u8, body: &mut Vec<u8>) {
        body.clear();
        for cell in &self.cells {
            let [high, low] = cell.child.to_be_bytes();
            if level == 0 {
                body.extend_from_slice(&[low, cell.slot]);
            } else {
                body.extend_from_slice(&[high, low, cell.slot]);
                body.extend_from_slice(&cell.count.to_be_bytes());
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// Counts one member more; `false` if the count cannot grow.
    #[must_use]
    pub(super) fn add(&mut self, child: u16, slot: u8) -> bool {
        match self.find(child, slot) {
            Ok(at) => {
                let count = &mut self.cells[at].count;
                let more = count.checked_add(1);
                *count = more.unwrap_or(*count);
                more.is_some()
            }
            Err(at) => {
                self.cells.insert(at, Cell { child, slot, count: 1 });
                true
            }
        }
    }

    /// Counts one member less; `false` if there is none.
    #[must_use]
    pub(super) fn take(&mut self, child: u16, slot: u8) -> bool {
        let Ok(at) = self.find(child, slot) else { return false };
        if self.cells[at].count == 1 {
            self.cells.remove(at);
        } else {
            self.cells[at].count -= 1;
        }
        true
    }

    fn find(&self, child: u16, slot: u8) -> Result<usize, usize> {
        self.cells.binary_search_by_key(&(child, slot), |cell| (cell.child, cell.slot))
    }

    /// Members in the chosen slots.
    pub(super) fn total(&self, slots: super::Slots) -> u64 {
        self.cells.iter().filter(|cell| chosen(slots, cell.slot)).map(|cell| u64::from(cell.count)).sum()
    }

    /// Children with members in the chosen slots, in order, with how many.
    pub(super) fn children(&self, slots: super::Slots) -> impl DoubleEndedIterator<Item = (u16, u64)> {
        self.cells.chunk_by(|one, next| one.child == next.child).filter_map(move |group| {
            let count: u64 =
                group.iter().filter(|cell| chosen(slots, cell.slot)).map(|cell| u64::from(cell.count)).sum();
            let child = group.first()?.child;
            (count > 0).then_some((child, count))
        })
    }
}

fn chosen(slots: super::Slots, slot: u8) -> bool {
    slots >> slot & 1 == 1
}

fn leaf_cell(bytes: &[u8; LEAF_CELL]) -> Cell {
    let [child, slot] = *bytes;
    Cell { child: child.into(), slot, count: 1 }
}

fn inner_cell(bytes: &[u8; INNER_CELL]) -> Cell {
    let [high, low, slot, a, b, c, d] = *bytes;
    Cell { child: u16::from_be_bytes([high, low]), slot, count: u32::from_be_bytes([a, b, c, d]) }
}
