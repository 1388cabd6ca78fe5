using System.Text;
using Gauntlet.Linux;
using Gauntlet.Terminal;

namespace Gauntlet.Results.Yaml;

/// <summary>Reads small files that people wrote or that a variable names: whatever the path leads to, it doesn't hang, fill the memory or throw anything but a message.</summary>
public static class TextFile
{
    private static readonly UTF8Encoding Strict = new(false, throwOnInvalidBytes: true);

    /// <summary>The text, without a byte order mark.</summary>
    /// <param name="mostBytes">A larger file is refused.</param>
    /// <param name="calledBy">What names the file, for messages; null: its user.</param>
    /// <exception cref="UserException">It isn't there, isn't a regular file of that size, or isn't UTF-8.</exception>
    public static string Read(string path, int mostBytes, string? calledBy = null)
    {
        var name = calledBy is null ? path : $"{path} ({calledBy})";
        if (Path.Exists(path) && !FileKind.IsRegular(path))
            throw new UserException($"{name}: is not a regular file.");
        try
        {
            using var file = File.OpenRead(path);
            var bytes = new byte[mostBytes + 1];
            var length = file.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
            if (length > mostBytes)
                throw new UserException($"{name}: has more than {mostBytes} bytes, and no more are read.");
            var text = bytes.AsSpan(0, length);
            return Strict.GetString(text.StartsWith(Encoding.UTF8.Preamble) ? text[Encoding.UTF8.Preamble.Length..] : text);
        }
        catch (DecoderFallbackException)
        {
            throw new UserException($"{name}: is not a text file (UTF-8 was expected).");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw new UserException($"{name}: can't be read: {e.Message}", inner: e);
        }
    }
}
