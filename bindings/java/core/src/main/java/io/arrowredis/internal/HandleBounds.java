package io.arrowredis.internal;

/** The bounds of a call on a handle that was given its own when it was made: a reader's or a writer's. */
public record HandleBounds(Handle handle, CFunction cancelFunction) implements Bounds {
    @Override
    public long begin() {
        return 0;
    }

    @Override
    public void cancel() {
        handle.useIfOpen(cancelFunction);
    }

    @Override
    public void end() {}

    @Override
    public Long deadline() {
        return null;
    }
}
