//! What the scripts promise to whoever runs them.

mod control_plane;
