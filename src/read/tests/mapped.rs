//! Mapped files are read where they lie.

use arrow::array::{Array, Int64Array};
use arrow_ipc::writer::FileWriter;

use super::*;
use crate::ipc_file::IpcFile;

#[test]
fn columns_of_mapped_files_are_not_copied_however_long_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("long.arrow");
    // Longer than what is read of a file at once.
    let column: ArrayRef = Arc::new(Int64Array::from_iter_values(0..2 << 20));
    let batch = RecordBatch::try_from_iter([("n", column)]).unwrap();
    let mut writer = FileWriter::try_new(std::fs::File::create(&path).unwrap(), &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();

    let file = Arc::new(IpcFile::open(&path, true).unwrap());
    let mapping = file.bytes().at_hand(&(0..file.file_bytes())).unwrap().as_ptr_range();
    let mut reader = read_file(&file, &FileReadOptions::default(), &Context::new()).unwrap();
    let read = reader.next().unwrap().unwrap();
    assert_eq!(read, batch);
    let data = read.column(0).to_data();
    assert!(mapping.contains(&data.buffers()[0].as_ptr()));
}
