using System.Text;

namespace Gauntlet.Harness.Scheduling;

/// <summary>
/// Cuts a byte stream into lines as it comes: at LF, with a CR before it dropped; a longer line than <see cref="MaxLineBytes"/> in pieces of that size.
/// Bytes that are not UTF-8 become U+FFFD.
/// </summary>
public sealed class LineSplitter(Action<string> onLine)
{
    public const int MaxLineBytes = 64 << 10;

    private byte[] _pending = new byte[256];
    private int _length;

    public void Append(ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            var end = bytes.IndexOf((byte)'\n');
            var part = end < 0 ? bytes : bytes[..end];
            if (_length + part.Length > MaxLineBytes)
            {
                part = bytes[..(MaxLineBytes - _length)];
                Hold(part);
                Emit();
                bytes = bytes[part.Length..];
                continue;
            }
            if (end < 0)
            {
                Hold(part);
                return;
            }
            if (_length == 0)
            {
                onLine(Text(part));
            }
            else
            {
                Hold(part);
                Emit();
            }
            bytes = bytes[(end + 1)..];
        }
    }

    /// <summary>The stream ended: what came after the last line end is a line too.</summary>
    public void Finish()
    {
        if (_length > 0)
            Emit();
    }

    private void Hold(ReadOnlySpan<byte> part)
    {
        if (_length + part.Length > _pending.Length)
            Array.Resize(ref _pending, Math.Min(MaxLineBytes, Math.Max(_pending.Length * 2, _length + part.Length)));
        part.CopyTo(_pending.AsSpan(_length));
        _length += part.Length;
    }

    private void Emit()
    {
        var line = Text(_pending.AsSpan(0, _length));
        _length = 0;
        onLine(line);
    }

    private static string Text(ReadOnlySpan<byte> line)
    {
        if (!line.IsEmpty && line[^1] == '\r')
            line = line[..^1];
        return Encoding.UTF8.GetString(line);
    }
}
