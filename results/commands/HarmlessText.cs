using System.Text;
using Gauntlet.Results.Reports;

namespace Gauntlet.Results.Commands;

/// <summary>Shows bytes of a guest on a terminal without letting them act on it, whatever their number.</summary>
internal static class HarmlessText
{
    private const int ChunkLength = 32 << 10;

    /// <summary>Copies all of a stream; the last line gets an end when it has none.</summary>
    public static void Copy(Stream source, TextWriter target)
    {
        using var reader = new StreamReader(source, new UTF8Encoding(false), detectEncodingFromByteOrderMarks: false, leaveOpen: true);
        var buffer = new char[ChunkLength];
        var held = 0;
        var last = '\n';
        while (reader.ReadBlock(buffer, held, buffer.Length - held) is var count && count + held > 0)
        {
            // Half of a pair waits for its other half, also that of CR and LF.
            var length = held + count;
            var hold = count > 0 && (char.IsHighSurrogate(buffer[length - 1]) || buffer[length - 1] == '\r') ? 1 : 0;
            var text = Harmless.Lines(new string(buffer, 0, length - hold));
            target.Write(text);
            if (text.Length > 0)
                last = text[^1];
            buffer[0] = buffer[length - 1];
            held = hold;
            if (count == 0)
                break;
        }

        if (last != '\n')
            target.WriteLine();
    }
}
