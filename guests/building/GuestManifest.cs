using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization;
using Gauntlet.Terminal;

namespace Gauntlet.Guests.Building;

/// <summary>A prebuilt image and what it was built from.</summary>
/// <param name="File">Below the prebuilt folder: <c>x86_64/smoke.elf</c>.</param>
/// <param name="Sha256">Of the image, in lower-case hexadecimal.</param>
/// <param name="Sources"><see cref="SourceHash"/> at the time of the build.</param>
public sealed record ManifestImage(string File, string Suite, string Sha256, string Sources);

/// <summary><c>prebuilt/manifest.json</c>.</summary>
/// <param name="Schema">Version of this format: <see cref="CurrentSchema"/>.</param>
/// <param name="Compiler">Version lines of the tools that built all images; the same tools give the same bytes.</param>
/// <param name="Images">By <see cref="ManifestImage.File"/>, in ordinal order.</param>
public sealed record GuestManifest(int Schema, string Compiler, IReadOnlyList<ManifestImage> Images)
{
    public const int CurrentSchema = 1;

    public const string FileName = "manifest.json";

    /// <summary>Largest manifest that is read: thousands of images.</summary>
    private const long SizeLimitBytes = 4 << 20;

    /// <summary>Reads and checks a manifest.</summary>
    /// <param name="path">Of the file; named in every error.</param>
    /// <exception cref="UserException">It is missing, or is no manifest of this schema.</exception>
    public static GuestManifest Read(string path)
    {
        try
        {
            if (new FileInfo(path).Length > SizeLimitBytes)
                throw new UserException($"The manifest '{path}' is larger than {SizeLimitBytes} bytes; it is no manifest. Build it anew: gauntlet guests build");
            return Parse(File.ReadAllBytes(path), path);
        }
        catch (IOException e)
        {
            throw new UserException($"The manifest '{path}' cannot be read: {e.Message} Build it: gauntlet guests build", inner: e);
        }
    }

    /// <summary>Parses a manifest's text.</summary>
    /// <param name="path">For error messages.</param>
    /// <exception cref="UserException">It is no manifest of this schema.</exception>
    public static GuestManifest Parse(ReadOnlySpan<byte> json, string path)
    {
        GuestManifest? manifest;
        try
        {
            manifest = JsonSerializer.Deserialize(json, ManifestJson.Default.GuestManifest);
        }
        catch (JsonException e)
        {
            throw Invalid(path, e.Message, e);
        }
        if (manifest is null)
            throw Invalid(path, "an object was expected, null was found.");
        if (manifest.Schema != CurrentSchema)
            throw Invalid(path, $"schema {CurrentSchema} was expected, {manifest.Schema} was found.");
        if (manifest.Compiler is null || manifest.Images is null)
            throw Invalid(path, "\"compiler\" and \"images\" must be there.");
        foreach (var image in manifest.Images)
        {
            if (image is not { File: not null, Suite: not null })
                throw Invalid(path, "each image needs \"file\" and \"suite\".");
            if (!IsHash(image.Sha256) || !IsHash(image.Sources))
                throw Invalid(path, $"\"sha256\" and \"sources\" of '{image.File}' must be 64 lower-case hexadecimal digits.");
            if (image.File.Split('/') is not [{ Length: > 0 } folder, { Length: > 0 } name] || folder is "." or ".." || name is "." or "..")
                throw Invalid(path, $"\"file\" must be ARCHITECTURE/NAME.elf, not '{image.File}'.");
        }
        if (manifest.Images.GroupBy(image => image.File).FirstOrDefault(group => group.Count() > 1) is { } twice)
            throw Invalid(path, $"'{twice.Key}' is listed {twice.Count()} times.");
        return manifest;
    }

    /// <summary>The text of the file; the same manifest always gives the same bytes.</summary>
    public byte[] ToJson()
    {
        var sorted = this with { Images = [.. Images.OrderBy(image => image.File, StringComparer.Ordinal)] };
        return [.. JsonSerializer.SerializeToUtf8Bytes(sorted, ManifestJson.Default.GuestManifest), (byte)'\n'];
    }

    /// <summary>SHA-256 of a file in lower-case hexadecimal.</summary>
    public static string HashOf(string path)
    {
        using var stream = File.OpenRead(path);
        return Convert.ToHexStringLower(SHA256.HashData(stream));
    }

    private static bool IsHash(string? text) => text is { Length: 64 } && text.All(char.IsAsciiHexDigitLower);

    private static UserException Invalid(string path, string what, Exception? inner = null) =>
        new($"The manifest '{path}' is invalid: {what} Build it anew: gauntlet guests build", inner: inner);
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true)]
[JsonSerializable(typeof(GuestManifest))]
[JsonSerializable(typeof(IReadOnlyList<GuestListEntry>))]
internal sealed partial class ManifestJson : JsonSerializerContext;
