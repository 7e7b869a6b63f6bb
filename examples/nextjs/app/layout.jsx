// The frame of every page.

export const metadata = { title: "smidgen: nextjs" };

export default function Layout({ children }) {
  return (
    <html lang="en">
      <body>{children}</body>
    </html>
  );
}
