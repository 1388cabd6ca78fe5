using Gauntlet.Pipelines.Checks.Text;

namespace Gauntlet.Pipelines.Checks.Parsing;

/// <summary>A message as the text that is checked.</summary>
/// <param name="NotChecked">Why the text is not the patch that was sent; null when it is.</param>
public readonly record struct ReadMessage(string Text, string? NotChecked);

/// <summary>Undoes a mail's transfer encoding.</summary>
public static class MailReader
{
    public static ReadMessage Read(byte[] bytes) => new(ByteText.Decode(bytes), null);
}
