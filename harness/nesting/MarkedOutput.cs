namespace Gauntlet.Harness.Nesting;

/// <summary>
/// A byte stream that ends at a marker: passes on what comes before it, as soon as it cannot be a part of it. Only a suffix that the marker begins with is held back, and so a line without an
/// end is seen as it comes.
/// </summary>
/// <param name="marker">One byte or more.</param>
/// <param name="take">Gets the bytes before it; valid during the call only.</param>
internal sealed class MarkedOutput(ReadOnlyMemory<byte> marker, Action<ReadOnlySpan<byte>> take)
{
    private byte[] _held = [];

    /// <summary>The marker was seen: the rest is not looked at.</summary>
    public bool Ended { get; private set; }

    public void Append(ReadOnlySpan<byte> bytes)
    {
        if (Ended || bytes.IsEmpty)
            return;
        // What is held back is short, and mostly nothing.
        if (_held.Length > 0)
            bytes = (byte[])[.. _held, .. bytes];
        var at = bytes.IndexOf(marker.Span);
        Ended = at >= 0;
        var length = Ended ? at : bytes.Length - StartOfMarker(bytes);
        _held = Ended ? [] : bytes[length..].ToArray();
        if (length > 0)
            take(bytes[..length]);
    }

    /// <summary>Length of the longest end of <paramref name="bytes"/> that the marker begins with.</summary>
    private int StartOfMarker(ReadOnlySpan<byte> bytes)
    {
        var length = Math.Min(marker.Length - 1, bytes.Length);
        while (length > 0 && !bytes.EndsWith(marker.Span[..length]))
            length--;
        return length;
    }
}
