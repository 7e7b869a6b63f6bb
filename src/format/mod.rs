//! Files → metadata and tensor directory, total over hostile input.
