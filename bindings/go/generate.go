package arrowredis

import "context"

// GenerateFile generates a dataset into an IPC file, which gets its name only when it is complete. The same options
// and seed give the same bytes. Options may be nil.
func GenerateFile(ctx context.Context, path string, options *GenerateOptions) (Metrics, error) {
	native, err := newOptions(kindGenerate, options)
	if err != nil {
		return Metrics{}, err
	}
	defer optionsFree(native)
	return run(ctx, func(context *cContext) (Metrics, error) { return generateFile(path, native, context) })
}

// Generate starts generating a dataset in memory: batches are made as they are taken. Options may be nil. The context
// bounds all of it. The caller releases or closes the reader.
func Generate(ctx context.Context, options *GenerateOptions) (*Reader, error) {
	native, err := newOptions(kindGenerate, options)
	if err != nil {
		return nil, err
	}
	defer optionsFree(native)
	return newReader(ctx, func(context *cContext) (*cReader, error) { return generate(native, context) })
}
