using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace Gauntlet.Guests.Building;

/// <summary>What an image is made of, as one number: a prebuilt image whose number differs from its sources' is stale.</summary>
public static class SourceHash
{
    /// <summary>
    /// SHA-256 over the flags, and the path and content of the whole support library, the suite's headers and the image's sources. The compiler is not
    /// in it: <see cref="GuestManifest"/> names that apart, so that sources can be checked where there is none.
    /// </summary>
    /// <returns>64 lower-case hexadecimal digits.</returns>
    public static string Of(GuestTree tree, GuestImage image)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var architecture = image.Architecture;
        foreach (var flag in GuestArchitecture.CommonCompilerFlags.Concat(architecture.CompilerFlags).Append("").Concat(GuestArchitecture.CommonLinkerFlags)
                     .Concat(architecture.LinkerFlags).Append(architecture.ObjectFormat ?? ""))
            Append(hash, Encoding.UTF8.GetBytes(flag));
        foreach (var file in tree.LibraryFiles(architecture).Concat(image.SuiteHeaders).Concat(image.Sources))
        {
            Append(hash, Encoding.UTF8.GetBytes(file));
            Append(hash, File.ReadAllBytes(Path.Combine(tree.Root, file)));
        }
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <summary>Each part with its length before it, so that no two lists of parts run together to the same bytes.</summary>
    private static void Append(IncrementalHash hash, ReadOnlySpan<byte> part)
    {
        Span<byte> length = stackalloc byte[sizeof(int)];
        BinaryPrimitives.WriteInt32LittleEndian(length, part.Length);
        hash.AppendData(length);
        hash.AppendData(part);
    }
}
