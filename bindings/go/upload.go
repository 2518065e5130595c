package arrowredis

import "context"

// UploadFile uploads a local file, of whatever kind, to S3 by the URL s3://BUCKET/KEY, replacing what is there. A large
// file is sent in parts, several at once; when the upload ends early, by whatever, also by its context, the parts that
// were sent are removed. Options may be nil; the URL's query has precedence over them.
//
// Wherever a function takes the path of an IPC file to read, such a URL will do.
func UploadFile(ctx context.Context, path, url string, options *S3Options) (Metrics, error) {
	native, err := newOptions(kindS3, options)
	if err != nil {
		return Metrics{}, err
	}
	defer optionsFree(native)
	return run(ctx, func(context *cContext) (Metrics, error) { return uploadFile(path, url, native, context) })
}
